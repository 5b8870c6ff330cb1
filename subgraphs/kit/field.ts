import { AsyncLocalStorage } from 'node:async_hooks';
import type { GraphQLFieldResolver, GraphQLResolveInfo } from 'graphql';
import type { Staleness } from '../../connectors/reads/reader.ts';

/** Something in an answer that is past its time: since the provider said so `ageMs` have passed. */
export type StaleNote = Staleness & {
  readonly path: readonly (string | number)[];
  /** The subgraph whose provider it is. */
  readonly provider: string;
};

/** What every resolver's context has, beside what its subgraph puts there. */
export type FieldContext = {
  /** Where it is noted what of this fetch's answer is stale. One for each fetch. */
  readonly stale: StaleNote[];
};

type Field = {
  readonly path: GraphQLResolveInfo['path'];
  readonly stale: StaleNote[];
  /** What federation's `_entities` is asked for. */
  readonly representations?: unknown;
};

// Loaders are asked from deep within resolvers, and have to know for which field of the answer.
const current = new AsyncLocalStorage<Field>();

/** Lets what a resolver calls know which field of the answer it is for. */
export const withField =
  <Source, Context extends object, Args, Result>(
    resolve: GraphQLFieldResolver<Source, Context, Args, Result>,
  ): GraphQLFieldResolver<Source, Context, Args, Result> =>
  (source, args, context, info) => {
    const { stale = [] } = context as Partial<FieldContext>;
    const { representations } = args as { representations?: unknown };
    return current.run({ path: info.path, stale, representations }, resolve, source, args, context, info);
  };

/** The same for `__resolveReference`, which is told neither its field nor its place in the list. */
export const withEntity =
  <Rest extends readonly unknown[], Result>(resolve: (reference: unknown, ...rest: Rest) => Result) =>
  (reference: unknown, ...rest: Rest): Result | Promise<never> => {
    const list = current.getStore();
    try {
      if (!list || !Array.isArray(list.representations)) return resolve(reference, ...rest);
      const path = { prev: list.path, key: list.representations.indexOf(reference), typename: undefined };
      return current.run({ path, stale: list.stale }, resolve, reference, ...rest);
    } catch (error) {
      // `_entities` stops at what is thrown, and nobody would handle the rejections of the entities before.
      return Promise.reject(error);
    }
  };

/** The field of the answer that is being resolved. */
export const currentField = (): Field | undefined => current.getStore();

/** Notes that a field's value is stale. */
export const noteStale = (field: Field | undefined, note: Omit<StaleNote, 'path'>): void => {
  if (!field) return;
  const path: (string | number)[] = [];
  for (let step: Field['path'] | undefined = field.path; step; step = step.prev) path.unshift(step.key);
  field.stale.push({ path, ...note });
};
