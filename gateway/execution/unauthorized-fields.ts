import {
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import type { AccessRule, AccessRules } from '../auth/access-rules.ts';
import { PLACEHOLDER, PLACEHOLDER_ALIAS } from './conditions.ts';
import type { FetchError } from './failure.ts';
import { type Fragments, fragmentMap, inlineFragments, responseName } from './selections.ts';
import { fragmentsIn, operationIn } from './steps.ts';

/** Returns whether the request may read a field that is selected on a type. */
export type IsAuthorized = (typename: string, field: string) => boolean;

/** Returns the access rules of all fields that an operation selects. `document` has the operation and its fragments. */
export const findAccessRules = (
  schema: GraphQLSchema,
  rules: AccessRules,
  document: DocumentNode,
): readonly AccessRule[] => {
  const found = new Set<AccessRule>();
  const types = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(types, {
      Field: (node) => {
        const parent = types.getParentType();
        if (!parent || isMeta(node)) return;
        for (const rule of rules.ofField(parent.name, node.name.value)) found.add(rule);
      },
    }),
  );
  return [...found];
};

/** Marks a field that the request may not read, in a prepared operation. No client's document has a directive of this name. */
const UNAUTHORIZED = '__own_unauthorized';

/** Marks a field of whose object the request may read nothing that it selects. */
const UNREADABLE = '__own_unreadable';

const hasMark = ({ directives = [] }: FieldNode, mark: string): boolean =>
  directives.some(({ name }) => name.value === mark);

const withMark = (node: FieldNode, mark: string): FieldNode => {
  const directive: DirectiveNode = { kind: Kind.DIRECTIVE, name: { kind: Kind.NAME, value: mark } };
  return { ...node, directives: [...(node.directives ?? []), directive] };
};

/** Returns whether a field of a prepared operation is null in the response, with an error, and not fetched. */
export const isRemoved = (node: FieldNode): boolean => hasMark(node, UNAUTHORIZED) || hasMark(node, UNREADABLE);

/** Returns the message of a removed field's error. */
export const removalError = (node: FieldNode): Omit<FetchError, 'path'> => ({
  message: hasMark(node, UNAUTHORIZED)
    ? 'Not authorized to access this field.'
    : 'Not authorized to access any of the fields selected here.',
  extensions: { code: 'UNAUTHORIZED_FIELD_OR_TYPE' },
});

const isMeta = ({ name }: FieldNode): boolean => name.value.startsWith('__');

/**
 * Marks the fields of a document that the request may not read, with everything below them, and the fields of objects of which
 * nothing remains to be read. The document has one operation and no conditions: what is not selected cannot be unauthorized.
 *
 * A field is judged by the type that it is selected on, so a fragment on an object type can be allowed where its interface is
 * not. Meta fields such as `__typename` are always allowed.
 */
export const markUnauthorized = (
  schema: GraphQLSchema,
  document: DocumentNode,
  isAuthorized: IsAuthorized,
): DocumentNode => {
  const fragments = fragmentMap(fragmentsIn(document));
  const marked = new Map<string, FragmentDefinitionNode>();

  const markFragment = (name: string): FragmentDefinitionNode | undefined => {
    const fragment = fragments.get(name);
    if (!fragment || marked.has(name)) return marked.get(name);
    const selectionSet = markSet(fragment.typeCondition.name.value, fragment.selectionSet);
    marked.set(name, { ...fragment, selectionSet });
    return marked.get(name);
  };
  const isUnreadable = createUnreadable(markFragment);

  const markSet = (typename: string, { selections }: SelectionSetNode): SelectionSetNode => ({
    kind: Kind.SELECTION_SET,
    selections: selections.map((selection): SelectionNode => {
      if (selection.kind === Kind.FIELD) return markField(typename, selection);
      if (selection.kind === Kind.FRAGMENT_SPREAD) return selection;
      const condition = selection.typeCondition?.name.value ?? typename;
      return { ...selection, selectionSet: markSet(condition, selection.selectionSet) };
    }),
  });

  const markField = (typename: string, node: FieldNode): FieldNode => {
    if (isMeta(node)) return node;
    if (!isAuthorized(typename, node.name.value)) return markAll(node, fragments);
    const type = fieldTypeOf(schema, typename, node);
    if (!node.selectionSet || !type) return node;
    const field = { ...node, selectionSet: markSet(getNamedType(type).name, node.selectionSet) };
    return isUnreadable(field.selectionSet) ? withMark(field, UNREADABLE) : field;
  };

  const operation = operationIn(document);
  const root = schema.getRootType(operation.operation)?.name ?? '';
  const selectionSet = markSet(root, operation.selectionSet);
  const definitions = [...fragments.keys()].flatMap((name) => markFragment(name) ?? []);
  return { ...document, definitions: [{ ...operation, selectionSet }, ...definitions] };
};

/** Fragments are inlined, because they can be allowed elsewhere. */
const markAll = (node: FieldNode, fragments: Fragments): FieldNode => {
  const { selectionSet } = node;
  const inlined = selectionSet ? { ...node, selectionSet: inlineFragments(selectionSet, fragments) } : node;
  return visit(inlined, { Field: { leave: (field) => (isMeta(field) ? undefined : withMark(field, UNAUTHORIZED)) } });
};

const fieldTypeOf = (schema: GraphQLSchema, typename: string, { name }: FieldNode): GraphQLOutputType | undefined => {
  const type = schema.getType(typename);
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name.value]?.type : undefined;
};

type Contents = { readonly hasRemoved: boolean; readonly hasReadable: boolean };

const NOTHING: Contents = { hasRemoved: false, hasReadable: false };

/** Creates a function that returns whether all fields of a selection set are removed, and there are any. */
const createUnreadable = (fragmentOf: (name: string) => FragmentDefinitionNode | undefined) => {
  const known = new Map<string, Contents>();

  const contentsOfFragment = (name: string): Contents => {
    const fragment = fragmentOf(name);
    const contents = known.get(name) ?? (fragment ? contentsOf(fragment.selectionSet) : NOTHING);
    known.set(name, contents);
    return contents;
  };

  const contentsOf = ({ selections }: SelectionSetNode): Contents => {
    let { hasRemoved, hasReadable } = NOTHING;
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        if (isRemoved(selection)) hasRemoved = true;
        else if (responseName(selection) !== PLACEHOLDER_ALIAS) hasReadable = true;
        continue;
      }
      const inner =
        selection.kind === Kind.FRAGMENT_SPREAD
          ? contentsOfFragment(selection.name.value)
          : contentsOf(selection.selectionSet);
      hasRemoved ||= inner.hasRemoved;
      hasReadable ||= inner.hasReadable;
    }
    return { hasRemoved, hasReadable };
  };

  return (selectionSet: SelectionSetNode): boolean => {
    const { hasRemoved, hasReadable } = contentsOf(selectionSet);
    return hasRemoved && !hasReadable;
  };
};

/**
 * Returns the part of a marked document that remains to be read, without named fragments. Undefined if nothing does.
 *
 * An object from a subgraph with `@interfaceObject` is null if its type is unknown and a fragment depends on it. So fragments on
 * interfaces in `interfaceObjects` stay, even if nothing remains in them, and the planner looks up the type.
 */
export const withoutRemoved = (
  schema: GraphQLSchema,
  document: DocumentNode,
  interfaceObjects: ReadonlySet<string>,
): DocumentNode | undefined => {
  const remaining = (typename: string, { selections }: SelectionSetNode): SelectionNode[] =>
    selections.flatMap((selection): SelectionNode[] => {
      if (selection.kind === Kind.FRAGMENT_SPREAD) return [];
      if (selection.kind === Kind.FIELD && isRemoved(selection)) return [];
      const { selectionSet } = selection;
      if (!selectionSet) return [selection];
      const type = selection.kind === Kind.FIELD ? fieldTypeOf(schema, typename, selection) : undefined;
      const condition = selection.kind === Kind.INLINE_FRAGMENT ? selection.typeCondition?.name.value : undefined;
      const inner = remaining(type ? getNamedType(type).name : (condition ?? typename), selectionSet);
      if (condition !== undefined && interfaceObjects.has(typename)) inner.push(PLACEHOLDER);
      return inner.length > 0 ? [{ ...selection, selectionSet: { kind: Kind.SELECTION_SET, selections: inner } }] : [];
    });
  const operation = operationIn(document);
  const fragments = fragmentMap(fragmentsIn(document));
  if (createUnreadable((name) => fragments.get(name))(operation.selectionSet)) return undefined;
  const inlined = inlineFragments(operation.selectionSet, fragments);
  const selections = remaining(schema.getRootType(operation.operation)?.name ?? '', inlined);
  return {
    kind: Kind.DOCUMENT,
    definitions: [{ ...operation, selectionSet: { kind: Kind.SELECTION_SET, selections } }],
  };
};

/**
 * Returns an error for each field of a marked operation that the request may not read, for a response without data. A path has
 * `@` for all items of a list. `clientName` maps a field's internal name to its response name.
 */
export const unauthorizedErrors = (
  schema: GraphQLSchema,
  document: DocumentNode,
  clientName: (name: string) => string,
): FetchError[] => {
  const fragments = fragmentMap(fragmentsIn(document));
  const errors = new Map<string, FetchError>();
  const add = (typename: string, { selections }: SelectionSetNode, path: readonly string[]): void => {
    for (const selection of selections) {
      if (selection.kind !== Kind.FIELD) {
        const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
        if (inner) add(inner.typeCondition?.name.value ?? typename, inner.selectionSet, path);
        continue;
      }
      const at = [...path, clientName(responseName(selection))];
      const type = fieldTypeOf(schema, typename, selection);
      if (hasMark(selection, UNAUTHORIZED)) errors.set(JSON.stringify(at), { ...removalError(selection), path: at });
      else if (selection.selectionSet && type) {
        add(getNamedType(type).name, selection.selectionSet, [...at, ...itemsOf(type)]);
      }
    }
  };
  const operation = operationIn(document);
  add(schema.getRootType(operation.operation)?.name ?? '', operation.selectionSet, []);
  return [...errors.values()];
};

const itemsOf = (type: GraphQLOutputType): string[] => {
  if (isListType(type)) return ['@', ...itemsOf(type.ofType)];
  return isNonNullType(type) ? itemsOf(type.ofType) : [];
};
