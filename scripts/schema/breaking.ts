import { type Change, ChangeType, CriticalityLevel, diff } from '@graphql-inspector/core';
import type { DocumentNode, GraphQLSchema } from 'graphql';
import { readUsage, type Usage } from './usage.ts';

/** A breaking schema change. */
export type BreakingChange = {
  /** Its type and coordinate, with which it can be declared: `FIELD_REMOVED Customer.phone`. */
  readonly name: string;
  readonly message: string;
  /** Whether a known operation uses the changed element. */
  readonly isUsed: boolean;
};

/** Finds the breaking changes between two schemas, and whether each affects one of these operations. */
export const findBreakingChanges = async (
  before: GraphQLSchema,
  after: GraphQLSchema,
  documents: readonly DocumentNode[],
): Promise<BreakingChange[]> => {
  const usage = readUsage(before, documents);
  return (await diff(before, after))
    .filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking)
    .map((change) => ({
      name: `${change.type} ${change.path ?? ''}`.trim(),
      message: change.message,
      isUsed: isUsed(change, usage),
    }));
};

/** Changes of an argument that only affect operations that pass it. */
const ARGUMENT_USE_CHANGES: ReadonlySet<string> = new Set([
  ChangeType.FieldArgumentRemoved,
  ChangeType.FieldArgumentTypeChanged,
]);

const isUsed = ({ type, path }: Change, usage: Usage): boolean => {
  // A change without a path, e.g. of the root types, affects everything.
  if (!path) return true;
  if (path.startsWith('@')) return usage.has(path.split('.')[0] ?? path);
  const [typename = '', member, argument] = path.split('.');
  if (!member) return usage.has(typename);
  if (argument && ARGUMENT_USE_CHANGES.has(type)) return usage.has(path);
  // It is unknown which members of input objects are sent and which enum values are returned.
  return usage.has(`${typename}.${member}`) || (!hasFields(type) && usage.has(typename));
};

/** Whether the change concerns a type whose fields are selected individually. */
const hasFields = (type: string): boolean => type.startsWith('FIELD_');
