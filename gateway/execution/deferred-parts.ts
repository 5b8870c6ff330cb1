import {
  type FieldNode,
  type GraphQLSchema,
  getNamedType,
  type InlineFragmentNode,
  isInterfaceType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { deferOf, labelOf } from './defer-directives.ts';
import { responseName } from './selections.ts';
import { isOfType } from './types.ts';

/**
 * A step from an object to those of a deferred part: into a field, or into a fragment. `typename` is the type that is known of the
 * object before the step.
 */
export type PartStep =
  | { readonly kind: 'field'; readonly name: string; readonly node: FieldNode }
  | { readonly kind: 'type'; readonly typename: string; readonly condition: string };

/** A part of an operation that its response can deliver later: the selections of one fragment with `@defer`. */
export type DeferredPart = {
  /** The label of `@defer` in the prepared operation. */
  readonly id: string;
  /** The way to the part's objects, from those of the part around it or from the root. */
  readonly path: readonly PartStep[];
  /** What is known of the type of its objects. */
  readonly typename: string;
  /** What it selects, without the parts within it. */
  readonly selectionSet: SelectionSetNode;
  /** What of this is not in the parts around it. */
  readonly newSelectionSet: SelectionSetNode;
  readonly parts: readonly DeferredPart[];
};

/** An operation without its deferred parts, and these. */
export type SplitOperation = { readonly selectionSet: SelectionSetNode; readonly parts: readonly DeferredPart[] };

/** Splits an operation whose fragments are inlined at `@defer`. */
export const splitDeferred = (schema: GraphQLSchema, operation: OperationDefinitionNode): SplitOperation => {
  const root = schema.getRootType(operation.operation)?.name ?? '';
  const { selections, fragments } = cut(schema, root, operation.selectionSet, []);
  const selectionSet = toSet(selections);
  return { selectionSet, parts: fragments.map((one) => toPart(schema, one, root, [selectionSet])) };
};

/** A fragment with `@defer`, and the way to it. */
type Cut = { readonly path: readonly PartStep[]; readonly fragment: InlineFragmentNode; readonly id: string };

const toSet = (selections: readonly SelectionNode[]): SelectionSetNode => ({ kind: Kind.SELECTION_SET, selections });

/** Returns the more specific of two types, of which an object has both. */
const narrow = (schema: GraphQLSchema, typename: string, condition: string): string =>
  isOfType(schema, typename, condition) ? typename : condition;

const fieldTypeOf = (schema: GraphQLSchema, typename: string, { name }: FieldNode): string | undefined => {
  const type = schema.getType(typename);
  const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[name.value] : undefined;
  return field && getNamedType(field.type).name;
};

/** Takes the fragments with `@defer` out of a selection set. */
const cut = (
  schema: GraphQLSchema,
  typename: string,
  { selections }: SelectionSetNode,
  path: readonly PartStep[],
): { readonly selections: readonly SelectionNode[]; readonly fragments: readonly Cut[] } => {
  const fragments: Cut[] = [];
  const remaining = selections.flatMap((selection): SelectionNode[] => {
    if (selection.kind === Kind.FRAGMENT_SPREAD || !selection.selectionSet) return [selection];
    if (selection.kind === Kind.FIELD) {
      const type = fieldTypeOf(schema, typename, selection);
      if (type === undefined) return [selection];
      const step = { kind: 'field', name: responseName(selection), node: selection } as const;
      const inner = cut(schema, type, selection.selectionSet, [...path, step]);
      fragments.push(...inner.fragments);
      return [{ ...selection, selectionSet: toSet(inner.selections) }];
    }
    const condition = selection.typeCondition?.name.value;
    const step = condition === undefined ? [] : [{ kind: 'type', typename, condition } as const];
    const defer = deferOf(selection);
    const id = defer && labelOf(defer);
    if (id !== undefined) {
      fragments.push({ path: [...path, ...step], fragment: selection, id });
      return [];
    }
    const known = condition === undefined ? typename : narrow(schema, typename, condition);
    const inner = cut(schema, known, selection.selectionSet, [...path, ...step]);
    fragments.push(...inner.fragments);
    return [{ ...selection, selectionSet: toSet(inner.selections) }];
  });
  return { selections: remaining, fragments };
};

/** `outer` has the selection sets of the parts around it, at the objects from which its path starts. */
const toPart = (
  schema: GraphQLSchema,
  { path, fragment, id }: Cut,
  start: string,
  outer: readonly SelectionSetNode[],
): DeferredPart => {
  let typename = start;
  let covering = outer;
  for (const step of path) {
    if (step.kind === 'type') typename = narrow(schema, typename, step.condition);
    else {
      covering = nestedSets(fieldsNamed(schema, typename, covering, step.name));
      typename = fieldTypeOf(schema, typename, step.node) ?? '';
    }
  }
  const { selections, fragments } = cut(schema, typename, fragment.selectionSet, []);
  const selectionSet = toSet(selections);
  return {
    id,
    path,
    typename,
    selectionSet,
    newSelectionSet: toSet(subtract(schema, typename, selectionSet, covering)),
    parts: fragments.map((one) => toPart(schema, one, typename, [...covering, selectionSet])),
  };
};

const nestedSets = (fields: readonly FieldNode[]): SelectionSetNode[] =>
  fields.flatMap(({ selectionSet }) => selectionSet ?? []);

/** Returns the fields of one name that are selected for every object of a type. */
const fieldsNamed = (
  schema: GraphQLSchema,
  typename: string,
  sets: readonly SelectionSetNode[],
  name: string,
): FieldNode[] =>
  sets
    .flatMap(({ selections }) => selections)
    .flatMap((selection) => {
      if (selection.kind === Kind.FIELD) return responseName(selection) === name ? [selection] : [];
      if (selection.kind === Kind.FRAGMENT_SPREAD) return [];
      const condition = selection.typeCondition?.name.value ?? typename;
      return isOfType(schema, typename, condition) ? fieldsNamed(schema, typename, [selection.selectionSet], name) : [];
    });

/** Returns the selections that others do not contain. */
const subtract = (
  schema: GraphQLSchema,
  typename: string,
  { selections }: SelectionSetNode,
  covering: readonly SelectionSetNode[],
): SelectionNode[] =>
  selections.flatMap((selection): SelectionNode[] => {
    if (selection.kind === Kind.FRAGMENT_SPREAD) return [selection];
    if (selection.kind === Kind.INLINE_FRAGMENT) {
      const known = narrow(schema, typename, selection.typeCondition?.name.value ?? typename);
      const inner = subtract(schema, known, selection.selectionSet, covering);
      return inner.length > 0 ? [{ ...selection, selectionSet: toSet(inner) }] : [];
    }
    const name = responseName(selection);
    const same = fieldsNamed(schema, typename, covering, name);
    if (same.length === 0) return [selection];
    const type = fieldTypeOf(schema, typename, selection);
    if (!selection.selectionSet || type === undefined) return [];
    const inner = subtract(schema, type, selection.selectionSet, nestedSets(same));
    return inner.length > 0 ? [{ ...selection, selectionSet: toSet(inner) }] : [];
  });
