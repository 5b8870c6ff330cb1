import { type ConstDirectiveNode, type DocumentNode, Kind, type SelectionSetNode } from 'graphql';
import { stringArgument } from '../supergraph/links.ts';
import { selectionsOf } from './requirements.ts';
import type { RequiredSelection } from './steps.ts';

type RequiredField = Extract<RequiredSelection, { kind: 'Field' }>;

/** Returns the keys by which a subgraph finds entities of a type. Empty if none is known. */
export type KeysOf = (subgraph: string, typename: string) => readonly SelectionSetNode[];

/** Reads the keys of a supergraph's entities. Source: the join specification, https://specs.apollo.dev/join */
export const readEntityKeys = (supergraph: DocumentNode): KeysOf => {
  const names = subgraphNames(supergraph);
  const keys = new Map<string, SelectionSetNode[]>();
  for (const definition of supergraph.definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.INTERFACE_TYPE_DEFINITION) continue;
    for (const directive of definition.directives ?? []) {
      const owner = `${names.get(graphOf(directive))} ${definition.name.value}`;
      keys.set(owner, [...(keys.get(owner) ?? []), ...selectionsOf(directive, 'join__type', 'key')]);
    }
  }
  return (subgraph, typename) => keys.get(`${subgraph} ${typename}`) ?? [];
};

/** Returns the names of subgraphs by the enum values that stand for them. */
export const subgraphNames = ({ definitions }: DocumentNode): ReadonlyMap<string, string> =>
  new Map(
    definitions
      .flatMap((one) =>
        one.kind === Kind.ENUM_TYPE_DEFINITION && one.name.value === 'join__Graph' ? (one.values ?? []) : [],
      )
      .map(({ name, directives }) => {
        const join = directives?.find((directive) => directive.name.value === 'join__graph');
        return [name.value, stringArgument(join, 'name') ?? name.value];
      }),
  );

/** Returns the enum value of the subgraph that a join directive names. */
export const graphOf = ({ arguments: args = [] }: ConstDirectiveNode): string => {
  const graph = args.find(({ name }) => name.value === 'graph')?.value;
  return graph?.kind === Kind.ENUM ? graph.value : '';
};

/** Returns whether planned selections have all fields of a key, whatever their type conditions. */
export const includesKey = (planned: readonly RequiredSelection[], { selections }: SelectionSetNode): boolean => {
  const fields = fieldsIn(planned);
  return selections.every((selection) => {
    if (selection.kind === Kind.FRAGMENT_SPREAD) return false;
    if (selection.kind === Kind.INLINE_FRAGMENT) return includesKey(planned, selection.selectionSet);
    const found = fields.filter(({ name }) => name === selection.name.value);
    const nested = found.flatMap((field) => field.selections ?? []);
    return found.length > 0 && (!selection.selectionSet || includesKey(nested, selection.selectionSet));
  });
};

const fieldsIn = (planned: readonly RequiredSelection[]): RequiredField[] =>
  planned.flatMap((node) => (node.kind === 'Field' ? [node] : fieldsIn(node.selections)));
