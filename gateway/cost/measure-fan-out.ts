import { type GraphQLSchema, getNamedType, isInterfaceType, isObjectType, type OperationDefinitionNode } from 'graphql';
import { collectFields, type Fragments, type SelectedField, subselectionsOf } from '../execution/selections.ts';
import type { CostDirectives } from './cost-directives.ts';
import { fanOutKey } from './fan-out-key.ts';
import { createListLength } from './list-length.ts';
import type { Recorder } from './measurements.ts';

export type FanOutOptions = {
  /** The public schema. */
  readonly schema: GraphQLSchema;
  readonly costDirectives: CostDirectives;
  readonly operation: OperationDefinitionNode;
  readonly fragments: Fragments;
  readonly record: Recorder['recordFanOut'];
};

/** Maximum number of objects of one response that are looked at. */
const MAX_OBJECTS = 2_000;

/** Records how many objects each field of a response returned. Reads at most `MAX_OBJECTS` of its objects. */
export const measureFanOut = (
  { schema, costDirectives, operation, fragments, record }: FanOutOptions,
  variables: Readonly<Record<string, unknown>>,
  data: unknown,
): void => {
  let left = MAX_OBJECTS;

  const visit = (
    typename: string,
    from: Parameters<typeof collectFields>[2],
    objects: readonly unknown[],
    sized: { readonly fields: readonly string[]; readonly key: string } | undefined,
  ): void => {
    const type = schema.getType(typename);
    if (!isObjectType(type) && !isInterfaceType(type)) return;
    for (const [name, selected] of collectFields(schema, typename, from, fragments)) {
      const [{ node }] = selected as readonly [SelectedField];
      const definition = type.getFields()[node.name.value];
      if (!definition || !node.selectionSet) continue;
      const coordinate = `${typename}.${definition.name}`;
      const length = createListLength(node, definition, costDirectives.listSizes.get(coordinate), 0);
      const values = objects.flatMap((object) => {
        const value = (object as Readonly<Record<string, unknown>>)[name];
        return value === undefined ? [] : [value];
      });
      const found = values.map((value) => [value].flat(3).filter((item) => item !== null));
      const isSized = sized?.fields.includes(definition.name) ?? false;
      const key = fanOutKey(coordinate, length.fromArguments(variables), length.isPartial(variables));
      for (const items of found) {
        record(isSized && sized ? sized.key : fanOutKey(coordinate), items.length);
      }
      const inner = found.flat().slice(0, left);
      left -= inner.length;
      if (inner.length === 0) continue;
      const of = getNamedType(definition.type).name;
      visit(of, subselectionsOf(selected), inner, {
        fields: length.sizedFields,
        key,
      });
    }
  };

  if (typeof data !== 'object' || data === null) return;
  const root = schema.getRootType(operation.operation);
  if (root) visit(root.name, [{ selectionSet: operation.selectionSet, conditions: [] }], [data], undefined);
};
