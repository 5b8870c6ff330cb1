import {
  type DirectiveNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { PLACEHOLDER_ALIAS, readCondition } from './conditions.ts';
import { canBeOfType, isOfType } from './types.ts';

export type Fragments = ReadonlyMap<string, FragmentDefinitionNode>;

/** Indexes fragments by name. */
export const fragmentMap = (fragments: readonly FragmentDefinitionNode[]): Fragments =>
  new Map(fragments.map((fragment) => [fragment.name.value, fragment]));

/** A variable of `@skip` or `@include`, and the value that selects. */
export type Condition = { readonly variable: string; readonly value: boolean };

/** A selected field, with the conditions that must all hold for it to be included. */
export type SelectedField = { readonly node: FieldNode; readonly conditions: readonly Condition[] };

/** Returns the name of a field in the response. */
export const responseName = ({ alias, name }: FieldNode): string => (alias ?? name).value;

/**
 * Collects the fields that selection sets select on an object type, by response name and in response order, each with the field
 * nodes that are merged into it.
 *
 * Conditions are not evaluated, because they depend on the request's variables. If the type is unknown, collects the fields
 * selected on any type.
 */
export const collectFields = (
  schema: GraphQLSchema,
  typename: string | undefined,
  from: readonly { readonly selectionSet: SelectionSetNode; readonly conditions: readonly Condition[] }[],
  fragments: Fragments,
): ReadonlyMap<string, readonly SelectedField[]> => {
  const fields = new Map<string, SelectedField[]>();
  const add = (selections: readonly SelectionNode[], outer: readonly Condition[]): void => {
    for (const selection of selections) {
      const conditions = conditionsOf(selection.directives, outer);
      if (!conditions) continue;
      if (selection.kind === Kind.FIELD) {
        const name = responseName(selection);
        if (name === PLACEHOLDER_ALIAS) continue;
        const selected = { node: selection, conditions };
        const before = fields.get(name);
        if (before) before.push(selected);
        else fields.set(name, [selected]);
        continue;
      }
      const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
      const typeCondition = inner?.typeCondition?.name.value;
      if (
        inner &&
        (typeCondition === undefined || typename === undefined || isOfType(schema, typename, typeCondition))
      ) {
        add(inner.selectionSet.selections, conditions);
      }
    }
  };
  for (const { selectionSet, conditions } of from) add(selectionSet.selections, conditions);
  return fields;
};

/**
 * Finds the selections that need an object's concrete type when only an interface is known: `__typename`, and fragments on types
 * that the object may or may not have.
 */
export const findTypeDependent = (
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
        if (selection.name.value === '__typename' && responseName(selection) !== PLACEHOLDER_ALIAS)
          found.push({ conditions });
        continue;
      }
      const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
      const typeCondition = inner?.typeCondition?.name.value;
      if (inner && typeCondition !== undefined && !isOfType(schema, typename, typeCondition)) {
        if (canBeOfType(schema, typename, typeCondition)) found.push({ conditions });
      } else if (inner) add(inner.selectionSet.selections, conditions);
    }
  };
  for (const { selectionSet, conditions } of from) add(selectionSet.selections, conditions);
  return found;
};

/** Returns the selection sets of a field's nodes. */
export const subselectionsOf = (selected: readonly SelectedField[]) =>
  selected.flatMap(({ node, conditions }) =>
    node.selectionSet ? [{ selectionSet: node.selectionSet, conditions }] : [],
  );

/** Adds the conditions of directives to the outer ones. Returns undefined if they can never hold together. */
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
    if (known && known.value !== selects) return undefined;
    // Once per variable: below many fragments with the same condition, each field would repeat it as often.
    if (!known) conditions = [...conditions, { variable, value: selects }];
  }
  return conditions;
};

/** Returns whether a field is selected in a request with these variables. */
export const isSelected = (
  selected: readonly Pick<SelectedField, 'conditions'>[],
  variables: Readonly<Record<string, unknown>>,
): boolean =>
  selected.some(({ conditions }) => conditions.every(({ variable, value }) => variables[variable] === value));

/** Returns the longest prefix of a path that is selected, regardless of type conditions. */
export const selectedPrefix = (
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

/** Replaces fragment spreads with inline fragments. Every field node in the result is a distinct object. */
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
