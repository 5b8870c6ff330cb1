import { AsyncLocalStorage } from 'node:async_hooks';
import type { GraphQLFieldResolver, GraphQLResolveInfo } from 'graphql';

/** Something in an answer that is older than it should be, because its provider could not be asked. */
export type StaleNote = {
  readonly path: readonly (string | number)[];
  /** The subgraph whose provider it is. */
  readonly provider: string;
  /** How long ago the provider said so, in milliseconds. */
  readonly ageMs: number;
};

/** What every resolver's context has, beside what its subgraph puts there. */
export type FieldContext = {
  /** Where it is noted what of this fetch's answer is stale. One for each fetch. */
  readonly stale: StaleNote[];
};

type Field = { readonly path: GraphQLResolveInfo['path']; readonly stale: StaleNote[] };

// Loaders are asked from deep within resolvers, and have to know for which field of the answer.
const current = new AsyncLocalStorage<Field>();

/** Lets what a resolver calls know which field of the answer it is for. */
export const withField =
  <Source, Context extends object, Args, Result>(
    resolve: GraphQLFieldResolver<Source, Context, Args, Result>,
  ): GraphQLFieldResolver<Source, Context, Args, Result> =>
  (source, args, context, info) => {
    const { stale = [] } = context as Partial<FieldContext>;
    return current.run({ path: info.path, stale }, resolve, source, args, context, info);
  };

/** The field of the answer that is being resolved. */
export const currentField = (): Field | undefined => current.getStore();

/** Notes that a field's value is stale. */
export const noteStale = (field: Field | undefined, provider: string, ageMs: number): void => {
  if (!field) return;
  const path: (string | number)[] = [];
  for (let step: Field['path'] | undefined = field.path; step; step = step.prev) path.unshift(step.key);
  field.stale.push({ path, provider, ageMs });
};
