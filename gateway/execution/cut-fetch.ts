import {
  type FieldNode,
  type GraphQLOutputType,
  type GraphQLSchema,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import type { EntityAccess } from './entity-access.ts';
import { onType, toEntityFetch, toRequirement, withSelections } from './fetch-documents.ts';
import { joinPath, pathOfLocation, typesOfTarget } from './fetch-fields.ts';
import { responseName } from './selections.ts';
import { type Fetch, fragmentsIn } from './steps.ts';
import { intersect, type TypeSet, type TypeSets } from './type-sets.ts';

export type CutOptions = {
  readonly schema: GraphQLSchema;
  readonly sets: TypeSets;
  readonly access: EntityAccess;
  /** The names of key fields. They stay: they cost nothing, and later fetches need them. */
  readonly keyFieldNames: ReadonlySet<string>;
};

/** A part of a fetch that can be sent on its own. */
export type Piece = {
  readonly fetch: Fetch;
  /** The paths of its fields in the data. */
  readonly paths: readonly string[];
  /** The deferred parts that need it. */
  readonly parts: readonly string[];
  /** Whether it is sent with what the rest of the fetch returns, or else with the same as the fetch. */
  readonly isAfter: boolean;
};

export type CutFetch = { readonly rest: Fetch; readonly pieces: readonly Piece[] };

/** An object of a fetch, of which fields can be cut. */
type Place = {
  readonly types: TypeSet;
  readonly path: string;
  /** The path with list items, as locations have it. */
  readonly location: readonly string[];
  /** Whether it is the root, or an entity that the fetch is for. */
  readonly isTop: boolean;
};

/** The fields that are cut at one place for the same parts. */
type Group = {
  readonly place: Place;
  readonly typename: string | undefined;
  readonly parts: readonly string[];
  readonly fields: FieldNode[];
  readonly paths: string[];
};

/**
 * Cuts the fields out of a fetch that only deferred parts need. The subgraph returns them in fetches of their own: as root fields, for
 * the same entities, or by the key of an entity within the response. Others stay, because nothing else returns them.
 *
 * `isKept` returns whether the data has to have a path before any deferred part. `partsOf` returns the parts that need a path.
 */
export const cutFetch = (
  options: CutOptions,
  fetch: Fetch,
  isKept: (path: string) => boolean,
  partsOf: (path: string) => readonly string[],
): CutFetch => {
  const { schema, sets, access, keyFieldNames } = options;
  const [target, ...others] = fetch.targets;
  const [location, ...otherLocations] = target?.locations ?? [];
  const isSimple = others.length + otherLocations.length + fragmentsIn(fetch.document).length === 0;
  if (!target || !location || !isSimple || target.renames.length > 0) return { rest: fetch, pieces: [] };
  const groups = new Map<string, Group>();

  /** Returns whether a subgraph resolves a field, and those within it, of an entity wherever that is. */
  const isResolvable = ({ name, selectionSet }: FieldNode, types: TypeSet): boolean => {
    if ([...types].some((typename) => access.isExternal(fetch.subgraph, typename, name.value))) return false;
    const inner = selectionSet && sets.ofField(types, name.value);
    return !selectionSet || !inner || allResolvable(selectionSet, inner);
  };
  const allResolvable = ({ selections }: SelectionSetNode, types: TypeSet): boolean =>
    selections.every((one) => {
      if (one.kind === Kind.FIELD) return isResolvable(one, types);
      if (one.kind === Kind.FRAGMENT_SPREAD) return false;
      const condition = one.typeCondition?.name.value;
      return allResolvable(one.selectionSet, condition === undefined ? types : intersect(types, sets.of(condition)));
    });

  const groupOf = (field: FieldNode, at: string, place: Place): Group | undefined => {
    const parts = partsOf(at);
    if (parts.length === 0 || field.name.value === '__typename' || keyFieldNames.has(field.name.value))
      return undefined;
    const [typename, ...more] = place.types;
    const isEntity =
      typename !== undefined && more.length === 0 && access.keyOf(fetch.subgraph, typename) !== undefined;
    if (!place.isTop && !(isEntity && isResolvable(field, place.types))) return undefined;
    const key = JSON.stringify([place.location, place.isTop || typename, parts]);
    const group = groups.get(key) ?? {
      place,
      typename: place.isTop ? undefined : typename,
      parts,
      fields: [],
      paths: [],
    };
    groups.set(key, group);
    return group;
  };

  const cutSet = ({ selections }: SelectionSetNode, place: Place): SelectionSetNode => {
    let isCut = false;
    const remaining = selections.flatMap((selection): SelectionNode[] => {
      if (selection.kind === Kind.FRAGMENT_SPREAD) return [selection];
      if (selection.kind === Kind.INLINE_FRAGMENT) {
        const condition = selection.typeCondition?.name.value;
        const types = condition === undefined ? place.types : intersect(place.types, sets.of(condition));
        const inner = cutSet(selection.selectionSet, { ...place, types });
        return inner.selections.length > 0 ? [{ ...selection, selectionSet: inner }] : [];
      }
      const at = joinPath(place.path, responseName(selection));
      const group = isKept(at) ? undefined : groupOf(selection, at, place);
      if (group) {
        isCut ||= group.typename !== undefined;
        // The fragments around it are those of its target.
        group.fields.push(selection);
        group.paths.push(at);
        return [];
      }
      const types = selection.selectionSet && sets.ofField(place.types, selection.name.value);
      if (!selection.selectionSet || !types) return [selection];
      const items = Array<string>(listDepth(schema, place.types, selection)).fill('@');
      const inner = { types, path: at, location: [...place.location, responseName(selection), ...items], isTop: false };
      return [{ ...selection, selectionSet: cutSet(selection.selectionSet, inner) }];
    });
    const [typename = ''] = place.types;
    const key = isCut ? access.keyOf(fetch.subgraph, typename) : undefined;
    return { kind: Kind.SELECTION_SET, selections: key ? withKey(remaining, key) : remaining };
  };

  const top: Place = {
    types: typesOfTarget(sets, target),
    path: pathOfLocation(location),
    location: location.path,
    isTop: true,
  };
  const selectionSet = cutSet(target.selectionSet, top);
  if (groups.size === 0) return { rest: fetch, pieces: [] };
  const pieces = [...groups.values()].map(({ place, typename, parts, fields, paths }): Piece => {
    const isAfter = typename !== undefined;
    const key = isAfter ? access.keyOf(fetch.subgraph, typename) : undefined;
    const fieldSet: SelectionSetNode = { kind: Kind.SELECTION_SET, selections: fields };
    return {
      parts,
      paths,
      isAfter,
      fetch:
        isAfter && key
          ? toEntityFetch(
              fetch,
              { path: place.location, requirement: toRequirement(typename, key) },
              onType(typename, fieldSet),
            )
          : withSelections(fetch, target, target.entities ? within(target.selectionSet, new Set(fields)) : fieldSet),
    };
  });
  return { rest: withSelections(fetch, target, selectionSet), pieces };
};

const listDepth = (schema: GraphQLSchema, types: TypeSet, { name }: FieldNode): number => {
  for (const typename of types) {
    const type = schema.getType(typename);
    const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[name.value] : undefined;
    if (field) return depthOf(field.type);
  }
  return 0;
};

const depthOf = (type: GraphQLOutputType): number => {
  if (isNonNullType(type)) return depthOf(type.ofType);
  return isListType(type) ? 1 + depthOf(type.ofType) : 0;
};

const TYPENAME: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };

/** Adds the type and the key of an entity to its selections. */
const withKey = (selections: readonly SelectionNode[], key: SelectionSetNode): readonly SelectionNode[] => [
  TYPENAME,
  ...key.selections,
  ...selections.filter((one) => !(one.kind === Kind.FIELD && responseName(one) === '__typename')),
];

/** Returns the fields of entities among others, in the fragments in which these are. */
const within = ({ selections }: SelectionSetNode, fields: ReadonlySet<FieldNode>): SelectionSetNode => ({
  kind: Kind.SELECTION_SET,
  selections: selections.flatMap((one): SelectionNode[] => {
    if (one.kind === Kind.FIELD) return fields.has(one) ? [one] : [];
    if (one.kind === Kind.FRAGMENT_SPREAD) return [];
    const inner = within(one.selectionSet, fields);
    return inner.selections.length > 0 ? [{ ...one, selectionSet: inner }] : [];
  }),
});
