import { Kind, type SelectionSetNode } from 'graphql';
import { PLACEHOLDER_ALIAS } from './conditions.ts';
import type { DeferredPart, PartStep, SplitOperation } from './deferred-parts.ts';
import { joinPath, type Leaf, type PlannedFetch, readLeaves, writtenLeaves } from './fetch-fields.ts';
import { responseName } from './selections.ts';
import type { Fetch } from './steps.ts';
import { intersect, type TypeSet, type TypeSets } from './type-sets.ts';
import { isRemoved } from './unauthorized-fields.ts';

/** The fetches that a part of an operation needs. */
export type Needed = {
  /** For each fetch, the paths of the data that it is needed for: leaves, and the objects above them. */
  readonly paths: ReadonlyMap<Fetch, ReadonlySet<string>>;
  /** For each fetch, the leaves that it is sent with, by the fetch that returns them. */
  readonly sources: ReadonlyMap<Fetch, ReadonlyMap<Fetch, ReadonlySet<string>>>;
};

/** What a part selects: leaves, and objects of which nothing else may be selected. */
type Selected = { readonly leaves: Leaf[]; readonly objects: string[] };

export type NeedsOptions = {
  readonly sets: TypeSets;
  readonly fetches: readonly PlannedFetch[];
  readonly interfaceObjects: ReadonlySet<string>;
};

/**
 * Finds the fetches that each part of an operation needs: those that return what it selects, those that return what these are sent
 * with, and so on. Of fetches that return the same, the earliest is needed. Undefined if no fetch returns something selected.
 */
export const findNeeded = (
  { sets, fetches, interfaceObjects }: NeedsOptions,
  { selectionSet, parts }: SplitOperation,
) => {
  const written = new Map<string, { readonly fetch: Fetch; readonly types: TypeSet }[]>();
  for (const { fetch } of fetches) {
    for (const { path, types } of writtenLeaves(sets, fetch)) {
      const others = written.get(path);
      if (others) others.push({ fetch, types });
      else written.set(path, [{ fetch, types }]);
    }
  }
  const beforeOf = new Map(fetches.map(({ fetch, before }) => [fetch, before]));
  const ambiguous = new Set([...interfaceObjects].flatMap((name) => [...sets.of(name)]));

  /** Returns the fetches that return a leaf. For an object of unknown type, a later one may return the type. */
  const writersOf = ({ path, types }: Leaf, among: (fetch: Fetch) => boolean, isNeeded: (fetch: Fetch) => boolean) => {
    const found = (written.get(path) ?? []).filter((one) => among(one.fetch) && !one.types.isDisjointFrom(types));
    if (path.endsWith('__typename') && !types.isDisjointFrom(ambiguous)) return found;
    const covering = found.filter((one) => types.isSubsetOf(one.types));
    const [first = covering[0]] = covering.filter(({ fetch }) => isNeeded(fetch));
    return first ? [first] : found;
  };

  const close = ({ leaves, objects }: Selected, known: Needed | undefined): Needed | undefined => {
    const paths = new Map<Fetch, Set<string>>();
    const sources = new Map<Fetch, Map<Fetch, Set<string>>>();
    const isNeeded = (fetch: Fetch): boolean => paths.has(fetch) || known?.paths.has(fetch) === true;

    const need = (fetch: Fetch, path: string): void => {
      const own = paths.get(fetch) ?? new Set();
      const isNew = !paths.has(fetch);
      paths.set(fetch, own);
      for (let at = path; at !== '' && !own.has(at); at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) own.add(at);
      if (isNew) needSources(fetch);
    };
    const needSources = (fetch: Fetch): void => {
      const before = beforeOf.get(fetch);
      const read = readLeaves(sets, fetch);
      const own = new Map<Fetch, Set<string>>();
      sources.set(fetch, own);
      const add = (source: Fetch, path: string): void => {
        own.set(source, (own.get(source) ?? new Set()).add(path));
        need(source, path);
      };
      for (const leaf of read.leaves) {
        for (const one of writersOf(leaf, (source) => before?.has(source) === true, isNeeded))
          add(one.fetch, leaf.path);
      }
      for (const path of read.objects) {
        const found = writerBelow(path, (source) => before?.has(source) === true, isNeeded);
        if (found) add(found, path);
      }
    };
    const writerBelow = (path: string, among: (fetch: Fetch) => boolean, isWanted: (fetch: Fetch) => boolean) => {
      let earliest: Fetch | undefined;
      for (const { fetch } of fetches) {
        if (!among(fetch) || !writesBelow(fetch, path)) continue;
        if (isWanted(fetch)) return fetch;
        earliest ??= fetch;
      }
      return earliest;
    };

    for (const leaf of leaves) {
      const found = writersOf(leaf, () => true, isNeeded);
      if (found.length === 0 && !leaf.path.endsWith('__typename')) return undefined;
      for (const { fetch } of found) need(fetch, leaf.path);
    }
    for (const path of objects) {
      const found = writerBelow(path, () => true, isNeeded);
      if (found) need(found, path);
    }
    return { paths, sources };
  };

  const prefixes = new Map<Fetch, Set<string>>();
  const writesBelow = (fetch: Fetch, path: string): boolean => {
    let own = prefixes.get(fetch);
    if (!own) {
      own = new Set();
      for (const leaf of writtenLeaves(sets, fetch)) {
        for (let at = leaf.path; at !== '' && !own.has(at); at = at.slice(0, Math.max(0, at.lastIndexOf('.'))))
          own.add(at);
      }
      prefixes.set(fetch, own);
    }
    return own.has(path);
  };

  const first = close(select(sets, selectionSet, sets.root, ''), undefined);
  if (!first) return undefined;
  const byPart = new Map<string, Needed>();
  const visitParts = (within: readonly DeferredPart[], types: TypeSet, path: string): boolean =>
    within.every((part) => {
      const start = follow(sets, part.path, types, path);
      if (start.types.size === 0) return true;
      const needed = close(select(sets, part.newSelectionSet, start.types, start.path), first);
      if (!needed) return false;
      byPart.set(part.id, needed);
      return visitParts(part.parts, start.types, start.path);
    });
  return visitParts(parts, sets.root, '') ? { first, byPart } : undefined;
};

/** Follows the path of a part. */
const follow = (sets: TypeSets, steps: readonly PartStep[], start: TypeSet, from: string) => {
  let types = start;
  let path = from;
  for (const step of steps) {
    if (step.kind === 'type') types = intersect(types, sets.of(step.condition));
    else {
      types = sets.ofField(types, step.node.name.value) ?? new Set();
      path = joinPath(path, step.name);
    }
  }
  return { types, path };
};

/** Returns what a selection set selects of objects of some types. */
const select = (sets: TypeSets, selectionSet: SelectionSetNode, start: TypeSet, from: string): Selected => {
  const selected: Selected = { leaves: [], objects: [] };
  const visit = ({ selections }: SelectionSetNode, types: TypeSet, path: string): void => {
    for (const selection of selections) {
      if (types.size === 0 || selection.kind === Kind.FRAGMENT_SPREAD) continue;
      if (selection.kind === Kind.INLINE_FRAGMENT) {
        const condition = selection.typeCondition?.name.value;
        visit(selection.selectionSet, condition === undefined ? types : intersect(types, sets.of(condition)), path);
        continue;
      }
      const name = responseName(selection);
      if (name === PLACEHOLDER_ALIAS || selection.name.value.startsWith('__') || isRemoved(selection)) continue;
      const at = joinPath(path, name);
      const inner = selection.selectionSet && sets.ofField(types, selection.name.value);
      if (!selection.selectionSet || !inner) {
        selected.leaves.push({ path: at, types });
        continue;
      }
      selected.objects.push(at);
      // Objects of several types are told apart.
      if (inner.size > 1) selected.leaves.push({ path: joinPath(at, '__typename'), types: inner });
      visit(selection.selectionSet, inner, at);
    }
  };
  visit(selectionSet, start, from);
  return selected;
};
