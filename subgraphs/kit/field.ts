import { AsyncLocalStorage } from 'node:async_hooks';
import type { GraphQLFieldResolver, GraphQLResolveInfo } from 'graphql';
import type { Staleness } from '../../connectors/reads/reader.ts';

/** A stale value in a response: its path, its age and why it was served. */
export type StaleNote = Staleness & {
  readonly path: readonly (string | number)[];
  /** The subgraph whose provider it is. */
  readonly subgraph: string;
};

/** The part of a resolver's context that every subgraph has. */
export type FieldContext = {
  /** Collects the stale values of one fetch. */
  readonly stale: StaleNote[];
};

type Field = {
  readonly path: GraphQLResolveInfo['path'];
  readonly stale: StaleNote[];
  /** The representations that federation's `_entities` receives. */
  readonly representations?: unknown;
};

// Loaders are called deep within resolvers but need the field that they load for.
const current = new AsyncLocalStorage<Field>();

/** Wraps a resolver to make its field available to everything that it calls. */
export const withField =
  <Source, Context extends object, Args, Result>(
    resolve: GraphQLFieldResolver<Source, Context, Args, Result>,
  ): GraphQLFieldResolver<Source, Context, Args, Result> =>
  (source, args, context, info) => {
    const { stale = [] } = context as Partial<FieldContext>;
    const { representations } = args as { representations?: unknown };
    return current.run({ path: info.path, stale, representations }, resolve, source, args, context, info);
  };

/** The same for `__resolveReference`, which receives neither its field nor its index in the list. */
export const withEntity =
  <Rest extends readonly unknown[], Result>(resolve: (reference: unknown, ...rest: Rest) => Result) =>
  (reference: unknown, ...rest: Rest): Result | Promise<never> => {
    const list = current.getStore();
    try {
      if (!list || !Array.isArray(list.representations)) return resolve(reference, ...rest);
      const path = { prev: list.path, key: list.representations.indexOf(reference), typename: undefined };
      return current.run({ path, stale: list.stale }, resolve, reference, ...rest);
    } catch (error) {
      // `_entities` stops at a thrown error, which would leave the rejections of earlier entities unhandled.
      return Promise.reject(error);
    }
  };

/** Returns the field that is being resolved. */
export const currentField = (): Field | undefined => current.getStore();

/** Records that a field's value is stale. */
export const noteStale = (field: Field | undefined, note: Omit<StaleNote, 'path'>): void => {
  if (!field) return;
  const path: (string | number)[] = [];
  for (let step: Field['path'] | undefined = field.path; step; step = step.prev) path.unshift(step.key);
  field.stale.push({ path, ...note });
};
