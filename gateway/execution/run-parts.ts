import type { SendFetch } from './fetch.ts';
import type { ProgramRun, Runner } from './schedule.ts';
import type { DeferredStep, Fetch } from './steps.ts';

/** Compiled steps of deferred parts. */
export type DeferredRunner<Context> = Omit<DeferredStep, 'step'> & { readonly run: Runner<Context> };

/** Tells the run when a fetch that deferred parts wait for has been merged. */
export const announcing = <Context>({ ids = [] }: Fetch, send: SendFetch<Context>): SendFetch<Context> => {
  if (ids.length === 0) return send;
  return (run) => {
    const announce = (): void => {
      for (const id of ids) run.onFetched?.(id);
    };
    const sent = send(run);
    if (sent) return sent.then(announce);
    announce();
    return undefined;
  };
};

/** The run of what is not deferred, and those of the deferred steps. All add to the same data. */
export type PartRuns<Context> = {
  readonly first: ProgramRun<Context>;
  readonly firstDone: Promise<void>;
  readonly deferred: readonly (Pick<DeferredStep, 'parts'> & {
    readonly run: ProgramRun<Context>;
    readonly done: Promise<void>;
  })[];
};

/**
 * Starts the fetches of all parts: deferred ones as soon as the fetches that they depend on have been merged, whichever part these
 * are of.
 */
export const startParts = <Context>(
  base: ProgramRun<Context>,
  runFirst: Runner<Context>,
  deferred: readonly DeferredRunner<Context>[],
): PartRuns<Context> => {
  const waits = new Map(
    deferred.flatMap(({ depends }) => depends).map((id) => [id, Promise.withResolvers<void>()] as const),
  );
  const first: ProgramRun<Context> = { ...base, onFetched: (id) => waits.get(id)?.resolve() };
  const firstDone = Promise.resolve(runFirst(first));
  return {
    first,
    firstDone,
    deferred: deferred.map(({ parts, depends, run }) => {
      const own = ownRun(first);
      const ready = Promise.all(depends.map((id) => waits.get(id)?.promise));
      return { parts, run: own, done: ready.then(() => run(own)) };
    }),
  };
};

/** Returns the run of deferred steps: its errors and notes are its own, and everything else is common. */
const ownRun = <Context>(first: ProgramRun<Context>): ProgramRun<Context> => {
  const run = { ...first, errors: [], stale: [] };
  return Object.defineProperty(run, 'hasFailures', {
    get: () => first.hasFailures,
    set: (value: boolean) => {
      first.hasFailures = value;
    },
  });
};
