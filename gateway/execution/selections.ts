import {
  type DirectiveNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLIncludeDirective,
  type GraphQLSchema,
  GraphQLSkipDirective,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { isOfType } from './types.ts';

export type Fragments = ReadonlyMap<string, FragmentDefinitionNode>;

/** A variable of `@skip` or `@include`, and the value it has to have. */
export type Condition = { readonly variable: string; readonly is: boolean };

/** A selected field, with all that has to hold for it to be selected here. */
export type Selected = { readonly node: FieldNode; readonly conditions: readonly Condition[] };

/** The name of a field in the answer. */
export const responseName = ({ alias, name }: FieldNode): string => (alias ?? name).value;

/**
 * The fields that selection sets select of an object of a type, by their response names, in the order of the answer;
 * each with the nodes that are merged in it. Conditions stay open: they depend on a request's variables.
 */
export const collectFields = (
  schema: GraphQLSchema,
  typename: string,
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
        const selected = { node: selection, conditions };
        const before = fields.get(name);
        if (before) before.push(selected);
        else fields.set(name, [selected]);
        continue;
      }
      const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
      const wanted = inner?.typeCondition?.name.value;
      if (inner && (wanted === undefined || isOfType(schema, typename, wanted))) {
        add(inner.selectionSet.selections, conditions);
      }
    }
  };
  for (const { selectionSet, conditions } of from) add(selectionSet.selections, conditions);
  return fields;
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
  for (const { name, arguments: given } of directives ?? []) {
    const isSkip = name.value === GraphQLSkipDirective.name;
    if (!isSkip && name.value !== GraphQLIncludeDirective.name) continue;
    const value = given?.find((argument) => argument.name.value === 'if')?.value;
    if (value?.kind === Kind.BOOLEAN && value.value === isSkip) return undefined;
    if (value?.kind === Kind.VARIABLE) conditions = [...conditions, { variable: value.name.value, is: !isSkip }];
  }
  return conditions;
};

/** Whether a field is selected in a request with these variables. */
export const isSelected = (selected: readonly Selected[], variables: Readonly<Record<string, unknown>>): boolean =>
  selected.some(({ conditions }) => conditions.every(({ variable, is }) => variables[variable] === is));
