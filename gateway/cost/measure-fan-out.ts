import { type GraphQLSchema, getNamedType, isInterfaceType, isObjectType, type OperationDefinitionNode } from 'graphql';
import { type Data, getOwn, isData } from '../execution/data.ts';
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

/** Maximum number of objects of one response whose fields are looked at. */
const MAX_OBJECTS = 2_000;

/** Records how many objects each field of a response returned. Looks at the fields of at most `MAX_OBJECTS` objects. */
export const measureFanOut = (
  { schema, costDirectives, operation, fragments, record }: FanOutOptions,
  variables: Readonly<Record<string, unknown>>,
  data: unknown,
): void => {
  let left = MAX_OBJECTS;

  const visit = (
    typename: string,
    from: Parameters<typeof collectFields>[2],
    objects: readonly Data[],
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
      const found = objects.flatMap((object) => {
        const value = getOwn(object, name);
        if (value === undefined) return [];
        return [[value].flat(3).filter((item): item is Data => typeof item === 'object' && item !== null)];
      });
      const isSized = sized?.fields.includes(definition.name) ?? false;
      const key = fanOutKey(coordinate, length.fromArguments(variables), length.isPartial(variables));
      // One value for each response, so that a large response does not outweigh many others.
      if (found.length > 0) {
        const total = found.reduce((sum, items) => sum + items.length, 0);
        record(isSized && sized ? sized.key : fanOutKey(coordinate), total / found.length);
      }
      const inner: Data[] = [];
      for (const items of found) if (left > inner.length) inner.push(...items.slice(0, left - inner.length));
      left -= inner.length;
      if (inner.length === 0) continue;
      const of = getNamedType(definition.type).name;
      visit(of, subselectionsOf(selected), inner, {
        fields: length.sizedFields,
        key,
      });
    }
  };

  if (!isData(data)) return;
  const root = schema.getRootType(operation.operation);
  if (root) visit(root.name, [{ selectionSet: operation.selectionSet, conditions: [] }], [data], undefined);
};
