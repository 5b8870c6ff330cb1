import {
  type DirectiveNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { NOTHING, readCondition } from './conditions.ts';
import { canBeOfType, isOfType } from './types.ts';

export type Fragments = ReadonlyMap<string, FragmentDefinitionNode>;

/** Fragments by their names. */
export const fragmentMap = (fragments: readonly FragmentDefinitionNode[]): Fragments =>
  new Map(fragments.map((fragment) => [fragment.name.value, fragment]));

/** A variable of `@skip` or `@include`, and the value it has to have. */
export type Condition = { readonly variable: string; readonly is: boolean };

/** A selected field, with all that has to hold for it to be selected here. */
export type Selected = { readonly node: FieldNode; readonly conditions: readonly Condition[] };

/** The name of a field in the answer. */
export const responseName = ({ alias, name }: FieldNode): string => (alias ?? name).value;

/**
 * The fields that selection sets select of an object of a type, by their response names, in the order of the answer;
 * each with the nodes that are merged in it. Conditions stay open: they depend on a request's variables. Where the type
 * is unknown, the fields that are selected of any type.
 */
export const collectFields = (
  schema: GraphQLSchema,
  typename: string | undefined,
  from: readonly { readonly selectionSet: SelectionSetNode; readonly conditions: readonly Condition[] }[],
  fragments: Fragments,
): ReadonlyMap<string, readonly Selected[]> => {
  const fields = new Map<string, Selected[]>();
  const add = (selections: readonly SelectionNode[], outer: readonly Condition[]): void => {
    for (const selection of selections) {
      const conditions = conditionsOf(selection.directives, outer);
      if (!conditions) continue;
      if (selection.kind === Kind.FIELD) {
        const name = responseName(selection);
        if (name === NOTHING) continue;
        const selected = { node: selection, conditions };
        const before = fields.get(name);
        if (before) before.push(selected);
        else fields.set(name, [selected]);
        continue;
      }
      const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
      const wanted = inner?.typeCondition?.name.value;
      if (inner && (wanted === undefined || typename === undefined || isOfType(schema, typename, wanted))) {
        add(inner.selectionSet.selections, conditions);
      }
    }
  };
  for (const { selectionSet, conditions } of from) add(selectionSet.selections, conditions);
  return fields;
};

/**
 * The selections of an object that cannot be answered when no more is known than an interface: `__typename`, and
 * fragments on types that the object may or may not be of.
 */
export const typeDependent = (
  schema: GraphQLSchema,
  typename: string,
  from: Parameters<typeof collectFields>[2],
  fragments: Fragments,
): readonly { readonly conditions: readonly Condition[] }[] => {
  const found: { readonly conditions: readonly Condition[] }[] = [];
  const add = (selections: readonly SelectionNode[], outer: readonly Condition[]): void => {
    for (const selection of selections) {
      const conditions = conditionsOf(selection.directives, outer);
      if (!conditions) continue;
      if (selection.kind === Kind.FIELD) {
        if (selection.name.value === '__typename' && responseName(selection) !== NOTHING) found.push({ conditions });
        continue;
      }
      const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
      const wanted = inner?.typeCondition?.name.value;
      if (inner && wanted !== undefined && !isOfType(schema, typename, wanted)) {
        if (canBeOfType(schema, typename, wanted)) found.push({ conditions });
      } else if (inner) add(inner.selectionSet.selections, conditions);
    }
  };
  for (const { selectionSet, conditions } of from) add(selectionSet.selections, conditions);
  return found;
};

/** The selection sets of a field's nodes. */
export const subselectionsOf = (selected: readonly Selected[]) =>
  selected.flatMap(({ node, conditions }) =>
    node.selectionSet ? [{ selectionSet: node.selectionSet, conditions }] : [],
  );

/** What has to hold, added to what held before; undefined where it never does. */
const conditionsOf = (
  directives: readonly DirectiveNode[] | undefined,
  outer: readonly Condition[],
): readonly Condition[] | undefined => {
  let conditions = outer;
  for (const directive of directives ?? []) {
    const { value, selects = true } = readCondition(directive) ?? {};
    if (value?.kind === Kind.BOOLEAN && value.value !== selects) return undefined;
    if (value?.kind !== Kind.VARIABLE) continue;
    const variable = value.name.value;
    const known = conditions.find((one) => one.variable === variable);
    if (known && known.is !== selects) return undefined;
    // Once for each variable: under many fragments with the same condition, each field would hold it as often.
    if (!known) conditions = [...conditions, { variable, is: selects }];
  }
  return conditions;
};

/** Whether a field is selected in a request with these variables. */
export const isSelected = (
  selected: readonly Pick<Selected, 'conditions'>[],
  variables: Readonly<Record<string, unknown>>,
): boolean => selected.some(({ conditions }) => conditions.every(({ variable, is }) => variables[variable] === is));

/** The part of a path that selections have, whatever types the objects on the way are of. */
export const selectedPart = (
  selectionSet: SelectionSetNode,
  fragments: Fragments,
  path: readonly (string | number)[],
): readonly (string | number)[] => {
  let sets: readonly SelectionSetNode[] = [selectionSet];
  for (const [index, step] of path.entries()) {
    if (typeof step === 'number') continue;
    const nodes = sets.flatMap((set) => fieldsOf(set, fragments)).filter((node) => responseName(node) === step);
    if (nodes.length === 0) return path.slice(0, index);
    sets = nodes.flatMap((node) => node.selectionSet ?? []);
  }
  return path;
};

const fieldsOf = ({ selections }: SelectionSetNode, fragments: Fragments): FieldNode[] =>
  selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection];
    const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
    return inner ? fieldsOf(inner.selectionSet, fragments) : [];
  });

/** A selection set with fragments put in the place of their spreads. Every field is an object of its own. */
export const inlineFragments = ({ selections }: SelectionSetNode, fragments: Fragments): SelectionSetNode => ({
  kind: Kind.SELECTION_SET,
  selections: selections.flatMap((selection): SelectionNode[] => {
    if (selection.kind !== Kind.FRAGMENT_SPREAD) {
      const { selectionSet } = selection;
      return [
        {
          ...selection,
          ...(selectionSet && { selectionSet: inlineFragments(selectionSet, fragments) }),
        } as SelectionNode,
      ];
    }
    const fragment = fragments.get(selection.name.value);
    if (!fragment) return [];
    const { typeCondition, selectionSet } = fragment;
    const { directives = [] } = selection;
    return [
      { kind: Kind.INLINE_FRAGMENT, typeCondition, directives, selectionSet: inlineFragments(selectionSet, fragments) },
    ];
  }),
});
