import type { GraphQLSchema } from 'graphql';
import { type CutFetch, cutFetch } from './cut-fetch.ts';
import type { SplitOperation } from './deferred-parts.ts';
import type { EntityAccess } from './entity-access.ts';
import { plannedFetches } from './fetch-fields.ts';
import { findNeeded } from './needed-fetches.ts';
import type { DeferredStep, Fetch, Step } from './steps.ts';
import { createTypeSets } from './type-sets.ts';

export type SplitPlanOptions = {
  /** The schema with all types and fields of the subgraphs. */
  readonly schema: GraphQLSchema;
  readonly interfaceObjects: ReadonlySet<string>;
  readonly access: EntityAccess;
  readonly keyFieldNames: ReadonlySet<string>;
};

/** A plan in parts. */
export type SplitPlan = { readonly first: Step; readonly deferred: readonly DeferredStep[] };

/** A fetch that only deferred parts need, and the fetches that it waits for. */
type DeferredFetch = { readonly fetch: Fetch; readonly parts: readonly string[]; readonly after: readonly Fetch[] };

/**
 * Splits the plan of a whole operation into the fetches that its first part needs, and those that only deferred parts do. A fetch
 * of both is cut where the subgraph can be asked for the rest later.
 *
 * The plan has no conditions. Undefined if it cannot be told which fetch returns a field.
 */
export const splitPlan = (
  { schema, interfaceObjects, access, keyFieldNames }: SplitPlanOptions,
  plan: Step,
  operation: SplitOperation,
): SplitPlan | undefined => {
  const sets = createTypeSets(schema);
  const fetches = plannedFetches(plan);
  const needed = findNeeded({ sets, fetches, interfaceObjects }, operation);
  if (!needed) return undefined;
  const { first, byPart } = needed;
  const parts = [...byPart];
  const partsOf = (fetch: Fetch, path?: string): string[] =>
    parts.flatMap(([id, { paths }]) => {
      const own = paths.get(fetch);
      return own && (path === undefined || own.has(path)) ? [id] : [];
    });

  const cuts = new Map<Fetch, CutFetch>();
  for (const [fetch, kept] of first.paths) {
    const cut = cutFetch(
      { schema, sets, access, keyFieldNames },
      fetch,
      (path) => kept.has(path),
      (path) => partsOf(fetch, path),
    );
    cuts.set(fetch, cut);
  }
  /** Returns the fetches that return paths of a planned fetch. */
  const sourcesOf = (fetch: Fetch, paths: Iterable<string>): Fetch[] => {
    const cut = cuts.get(fetch);
    if (!cut) return [fetch];
    const needsPiece = (piece: CutFetch['pieces'][number]): boolean =>
      [...paths].some((path) => piece.paths.some((one) => path === one || path.startsWith(`${one}.`)));
    return [cut.rest, ...cut.pieces.filter(needsPiece).map((piece) => piece.fetch)];
  };
  const sourcesIn = (all: ReadonlyMap<Fetch, ReadonlySet<string>> | undefined): Fetch[] =>
    [...(all ?? [])].flatMap(([source, paths]) => sourcesOf(source, paths));

  const deferred: DeferredFetch[] = [];
  for (const { fetch } of fetches) {
    const cut = cuts.get(fetch);
    if (cut) {
      for (const piece of cut.pieces) {
        const after = piece.isAfter ? [cut.rest] : sourcesIn(first.sources.get(fetch));
        deferred.push({ fetch: piece.fetch, parts: piece.parts, after });
      }
      continue;
    }
    const ids = partsOf(fetch);
    if (ids.length === 0) continue;
    const after = ids.flatMap((id) => sourcesIn(byPart.get(id)?.sources.get(fetch)));
    deferred.push({ fetch, parts: ids, after: [...new Set(after)] });
  }

  const awaited = new Set(deferred.flatMap(({ after }) => after));
  const idOf = new Map([...awaited].map((fetch, index) => [fetch, String(index)]));
  const named = (fetch: Fetch): Fetch => {
    const id = idOf.get(fetch);
    return id === undefined ? fetch : { ...fetch, ids: [id] };
  };
  const late = new Set(deferred.map(({ fetch }) => fetch));
  const withoutLate = (step: Step): Step => {
    switch (step.kind) {
      case 'sequence':
      case 'parallel': {
        const steps = step.steps.map(withoutLate).filter(({ kind }) => kind !== 'nothing');
        if (steps.length < 2) return steps[0] ?? { kind: 'nothing' };
        return { ...step, steps };
      }
      case 'fetch':
        if (late.has(step.fetch)) return { kind: 'nothing' };
        return { kind: 'fetch', fetch: named(cuts.get(step.fetch)?.rest ?? step.fetch) };
      default:
        return step;
    }
  };

  // Fetches of the same parts that can be sent at the same time are one step, in which they are joined.
  const steps = new Map<
    string,
    { readonly parts: readonly string[]; readonly depends: string[]; readonly all: Step[] }
  >();
  for (const { fetch, parts: ids, after } of deferred) {
    const depends = after.map((one) => idOf.get(one) ?? '').sort();
    const key = JSON.stringify([ids, depends]);
    const step = steps.get(key) ?? { parts: ids, depends, all: [] };
    steps.set(key, step);
    step.all.push({ kind: 'fetch', fetch: named(fetch) });
  }
  return {
    first: withoutLate(plan),
    deferred: [...steps.values()].map(({ parts: ids, depends, all: [one, ...more] }) => ({
      parts: ids,
      depends,
      step: more.length === 0 ? (one as Step) : { kind: 'parallel', steps: [one as Step, ...more], shared: [] },
    })),
  };
};
