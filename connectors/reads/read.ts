import type { RequestOptions } from '../middleware/chain.ts';
import type { BatchResult } from './batcher.ts';

/** A function of a provider client, with the name that rate limits, batches and call statistics know its request by. */
export type Operation<Args extends readonly unknown[], Result> = ((...args: Args) => Promise<Result>) & {
  readonly operation: string;
};

/** Names the request that a function makes. The name is given once: `create` receives it. */
export const operation = <Name extends string, Args extends readonly unknown[], Result>(
  name: Name,
  create: (name: Name) => (...args: Args) => Promise<Result>,
): Operation<Args, Result> => Object.assign(create(name), { operation: name });

/** Plain data that identifies what is read: text, or an object that is serialized once, for the cache. */
export type ReadKey = string | Readonly<Record<string, unknown>>;

/**
 * Reads one type of object, or one list, by key.
 *
 * A `Scope` is what a write invalidates: by default the key itself. `Policy` names the cache policy.
 */
export type Read<Key extends ReadKey, Value, Scope extends ReadKey = Key, Policy extends string = string> = {
  /** One provider request. Leaves out unknown keys; a key that failed alone is an Error. Values are plain data. */
  readonly fetch: (keys: readonly Key[], options: RequestOptions) => Promise<BatchResult<Key, Value>>;
  readonly operationOf: (key: Key) => string;
  /** The most keys in one provider request. */
  readonly batchSize: number;
  readonly policy: Policy;
  readonly scopesOf: (key: Key) => readonly Scope[];
  /** Further scopes, which depend on the value. They cost a second read of the cache. */
  readonly scopesOfValue: ((value: Value) => readonly Scope[]) | undefined;
};

type ScopeOptions<Key, Value, Scope> = {
  /** What a write invalidates a key by, where that is not the key itself. */
  readonly scope?: (key: Key) => Scope | readonly Scope[];
  /** The same where it depends on the value too. */
  readonly scopeOfValue?: (value: Value) => Scope;
};

type FetchMany<Value> = Operation<[keys: readonly string[], options: RequestOptions], BatchResult<string, Value>>;

/** Reads many keys with one request of up to `batchSize` keys. Say where that limit comes from. */
export const byKey: {
  <Value, const Policy extends string, Scope extends ReadKey>(
    fetch: FetchMany<Value>,
    options: { readonly batchSize: number; readonly policy: Policy } & Required<
      Pick<ScopeOptions<string, Value, Scope>, 'scope'>
    > &
      ScopeOptions<string, Value, Scope>,
  ): Read<string, Value, Scope, Policy>;
  <Value, const Policy extends string>(
    fetch: FetchMany<Value>,
    options: { readonly batchSize: number; readonly policy: Policy },
  ): Read<string, Value, string, Policy>;
} = <Value, Policy extends string, Scope extends ReadKey>(
  fetch: FetchMany<Value>,
  {
    batchSize,
    policy,
    ...scopes
  }: { readonly batchSize: number; readonly policy: Policy } & ScopeOptions<string, Value, Scope>,
) => ({ fetch, operationOf: () => fetch.operation, batchSize, policy, ...toScopes(scopes) });

/** A function whose operation depends on the key, e.g. a list or a search. */
type VariedOperation<Key, Value> = ((key: Key, options: RequestOptions) => Promise<Value | null>) & {
  readonly operationOf: (key: Key) => string;
};

type FetchOne<Key, Value> = Operation<[key: Key, options: RequestOptions], Value | null> | VariedOperation<Key, Value>;

/** Reads each key with a request of its own, where the provider has no way to ask for several at once. */
export const oneByOne: {
  <Key extends ReadKey, Value, const Policy extends string, Scope extends ReadKey>(
    fetch: FetchOne<Key, Value>,
    options: { readonly policy: Policy; readonly scope: (key: Key) => Scope | readonly Scope[] },
  ): Read<Key, Value, Scope, Policy>;
  <Key extends ReadKey, Value, const Policy extends string>(
    fetch: FetchOne<Key, Value>,
    options: { readonly policy: Policy },
  ): Read<Key, Value, Key, Policy>;
} = <Key extends ReadKey, Value, Policy extends string, Scope extends ReadKey>(
  fetch: FetchOne<Key, Value>,
  { policy, ...scopes }: { readonly policy: Policy } & ScopeOptions<Key, Value, Scope>,
) => ({
  fetch: async ([key]: readonly Key[], options: RequestOptions) => {
    const value = await fetch(key as Key, options);
    return new Map(value === null ? [] : [[key as Key, value]]);
  },
  operationOf: 'operationOf' in fetch ? fetch.operationOf : () => fetch.operation,
  batchSize: 1,
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

// The provider's reads, whatever their keys and values are. `any` is what makes them assignable to each other.
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Reads<Policy extends string = string> = Readonly<Record<string, Read<any, any, any, Policy>>>;

/** What a write has changed: for each read that shows it, the scopes, or all of it. */
export type Changes<Definitions extends Reads> = {
  readonly [Name in keyof Definitions]?:
    | 'all'
    | readonly (Definitions[Name] extends Read<infer _Key, infer _Value, infer Scope, infer _Policy> ? Scope : never)[];
};

/** A key or scope as text. The properties of an object are in the order in which the code that makes it names them. */
export const serialize = (key: ReadKey): string => (typeof key === 'string' ? key : JSON.stringify(key));
