import type { RequestOptions } from '../middleware/chain.ts';
import type { BatchResult } from './batcher.ts';

/** A function of a provider client with the operation name that rate limits, batches and call statistics use. */
export type Operation<Args extends readonly unknown[], Result> = ((...args: Args) => Promise<Result>) & {
  readonly operation: string;
};

/** Attaches an operation name to a provider client's function. `create` receives the name, so it is written only once. */
export const operation = <Name extends string, Args extends readonly unknown[], Result>(
  name: Name,
  create: (name: Name) => (...args: Args) => Promise<Result>,
): Operation<Args, Result> => Object.assign(create(name), { operation: name });

/** Plain data that identifies an object or list: a string, or an object that is serialized for the cache. */
export type ReadKey = string | Readonly<Record<string, unknown>>;

/**
 * Definition of a read by key, of one type of object or one list.
 *
 * A `Scope` is the unit of invalidation; by default it is the key. `Policy` names the cache policy.
 */
export type Read<Key extends ReadKey, Value, Scope extends ReadKey = Key, Policy extends string = string> = {
  /** Sends one provider request. Omits unknown keys; a key that failed alone maps to an Error. Values are plain data. */
  readonly fetch: (keys: readonly Key[], options: RequestOptions) => Promise<BatchResult<Key, Value>>;
  readonly operationOf: (key: Key) => string;
  /** Maximum number of keys in one provider request. */
  readonly batchSize: number;
  /**
   * What one provider request is expected to cost under rate limits by cost. Default: 1. Its permit is acquired before its keys are
   * known, so name the cost of a usual request.
   */
  readonly cost?: number | undefined;
  /** Maximum number of provider requests that `fetch` sends for one batch, e.g. where lists are paged. Default: 1. */
  readonly requestsPerBatch?: number | undefined;
  readonly policy: Policy;
  readonly scopesOf: (key: Key) => readonly Scope[];
  /** Returns additional scopes that depend on the value. They cost a second read of the cache. */
  readonly scopesOfValue: ((value: Value) => readonly Scope[]) | undefined;
};

/** The scope of a read that no write changes: its keys are not looked up among the invalidations. `'all'` still invalidates it. */
export const NEVER_CHANGED = (): readonly never[] => [];

type ScopeOptions<Key, Value, Scope> = {
  /** Returns the scopes of a key. Default: the key. */
  readonly scope?: (key: Key) => Scope | readonly Scope[];
  /** Returns an additional scope that depends on the value. */
  readonly scopeOfValue?: (value: Value) => Scope;
};

type FetchMany<Value> = Operation<[keys: readonly string[], options: RequestOptions], BatchResult<string, Value>>;

type ManyOptions<Policy> = Pick<Read<string, unknown>, 'batchSize' | 'cost' | 'requestsPerBatch'> & {
  readonly policy: Policy;
};

/** Defines a batched read of up to `batchSize` keys per request. Document the source of that limit. */
export const byKey: {
  <Value, const Policy extends string, Scope extends ReadKey>(
    fetch: FetchMany<Value>,
    options: ManyOptions<Policy> &
      Required<Pick<ScopeOptions<string, Value, Scope>, 'scope'>> &
      ScopeOptions<string, Value, Scope>,
  ): Read<string, Value, Scope, Policy>;
  <Value, const Policy extends string>(
    fetch: FetchMany<Value>,
    options: ManyOptions<Policy>,
  ): Read<string, Value, string, Policy>;
} = <Value, Policy extends string, Scope extends ReadKey>(
  fetch: FetchMany<Value>,
  { batchSize, cost, requestsPerBatch, policy, ...scopes }: ManyOptions<Policy> & ScopeOptions<string, Value, Scope>,
) => ({
  fetch,
  operationOf: () => fetch.operation,
  batchSize,
  cost,
  requestsPerBatch,
  policy,
  ...toScopes(scopes),
});

/** A function whose operation depends on the key, e.g. either a list or a search. */
type VariedOperation<Key, Value> = ((key: Key, options: RequestOptions) => Promise<Value | null>) & {
  readonly operationOf: (key: Key) => string;
};

type FetchOne<Key, Value> = Operation<[key: Key, options: RequestOptions], Value | null> | VariedOperation<Key, Value>;

type OneOptions<Policy> = Pick<Read<string, unknown>, 'requestsPerBatch'> & { readonly policy: Policy };

/** Defines a read of one key per batch, for endpoints without a batch form. */
export const oneByOne: {
  <Key extends ReadKey, Value, const Policy extends string, Scope extends ReadKey>(
    fetch: FetchOne<Key, Value>,
    options: OneOptions<Policy> & { readonly scope: (key: Key) => Scope | readonly Scope[] },
  ): Read<Key, Value, Scope, Policy>;
  <Key extends ReadKey, Value, const Policy extends string>(
    fetch: FetchOne<Key, Value>,
    options: OneOptions<Policy>,
  ): Read<Key, Value, Key, Policy>;
} = <Key extends ReadKey, Value, Policy extends string, Scope extends ReadKey>(
  fetch: FetchOne<Key, Value>,
  { policy, requestsPerBatch, ...scopes }: OneOptions<Policy> & ScopeOptions<Key, Value, Scope>,
) => ({
  fetch: async ([key]: readonly Key[], options: RequestOptions) => {
    const value = await fetch(key as Key, options);
    return new Map(value === null ? [] : [[key as Key, value]]);
  },
  operationOf: 'operationOf' in fetch ? fetch.operationOf : () => fetch.operation,
  batchSize: 1,
  requestsPerBatch,
  policy,
  ...toScopes(scopes),
});

const toScopes = <Key extends ReadKey, Value, Scope extends ReadKey>({
  scope,
  scopeOfValue,
}: ScopeOptions<Key, Value, Scope>) => ({
  scopesOf: (key: Key): readonly Scope[] => {
    const scopes = scope ? scope(key) : (key as unknown as Scope);
    return Array.isArray(scopes) ? scopes : [scopes as Scope];
  },
  scopesOfValue: scopeOfValue && ((value: Value) => [scopeOfValue(value)]),
});

/** A provider's reads by name. */
// biome-ignore lint/suspicious/noExplicitAny: reads of any keys and values; only `any` makes them assignable to each other
export type Reads<Policy extends string = string> = Readonly<Record<string, Read<any, any, any, Policy>>>;

/** The changes of a write: for each affected read, the invalidated scopes, or `all`. */
export type Changes<Definitions extends Reads> = {
  readonly [Name in keyof Definitions]?:
    | 'all'
    | readonly (Definitions[Name] extends Read<infer _Key, infer _Value, infer Scope, infer _Policy> ? Scope : never)[];
};

/** Serializes a key or scope. Property order matters: always build an object's properties in the same order. */
export const serialize = (key: ReadKey): string => (typeof key === 'string' ? key : JSON.stringify(key));
