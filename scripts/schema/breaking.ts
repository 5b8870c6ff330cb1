import { type Change, ChangeType, CriticalityLevel, diff } from '@graphql-inspector/core';
import type { DocumentNode, GraphQLSchema } from 'graphql';
import { readUsage, type Usage } from './usage.ts';

/** A change that breaks who uses what it is about. */
export type BreakingChange = {
  /** Its kind and its place, by which it can be declared: `FIELD_REMOVED Customer.phone`. */
  readonly name: string;
  readonly message: string;
  /** Whether one of the known operations uses it. */
  readonly isUsed: boolean;
};

/** The changes between two schemas that break somebody, each with whether it breaks one of these operations. */
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

/** What of an argument matters to those alone who give it. */
const OF_GIVEN_ARGUMENTS: ReadonlySet<string> = new Set([
  ChangeType.FieldArgumentRemoved,
  ChangeType.FieldArgumentTypeChanged,
]);

const isUsed = ({ type, path }: Change, usage: Usage): boolean => {
  // A change of the schema's root types, for one, is about everything.
  if (!path) return true;
  if (path.startsWith('@')) return usage.has(path.split('.')[0] ?? path);
  const [typename = '', member, argument] = path.split('.');
  if (!member) return usage.has(typename);
  if (argument && OF_GIVEN_ARGUMENTS.has(type)) return usage.has(path);
  // Of input objects and enums it is not known which members are sent, or may come back.
  return usage.has(`${typename}.${member}`) || (!hasFields(type) && usage.has(typename));
};

/** Whether the change is about a type whose fields are selected one by one. */
const hasFields = (type: string): boolean => type.startsWith('FIELD_');
