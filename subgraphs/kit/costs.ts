import type { Reads } from '../../connectors/reads/read.ts';

/** A number of keys, provider requests, objects or list items that is known only within bounds. */
export type Amount = {
  /** Default: 0. */
  readonly atLeast?: number | undefined;
  readonly expected: number;
  readonly atMost: number;
};

/** What is known of a field before it is resolved. */
export type FieldInfo = {
  /** The values of its arguments, including defaults. */
  readonly args: Readonly<Record<string, unknown>>;
  /** The objects that it is resolved for at the same time. */
  readonly objects: Amount;
  /** The length of its list, or of the list in its connection. */
  readonly length: Amount;
  /** The coordinate of the field that its object comes from; undefined for an entity from another subgraph. */
  readonly parent: string | undefined;
  /** For `__resolveReference`: the fields of the reference. */
  readonly keys: ReadonlySet<string>;
};

/** The keys of a read that one field of one object loads. A number is short for exactly that many. */
export type KeysOfRead =
  | number
  | (Amount & {
      /** The number is for all objects that the field is resolved for at the same time, not for each of them. */
      readonly isShared?: boolean | undefined;
      /** A key of the kind that is loaded, for a read whose operation depends on the key. */
      readonly example?: unknown;
    });

/** The provider requests that one field of one object takes. */
export type FieldCost<ReadName extends string = string> = {
  /** Keys that it loads, by read. Objects that are resolved together share batches. A key of the cache takes no request. */
  readonly reads?: { readonly [Name in ReadName]?: KeysOfRead } | undefined;
  /** Requests other than reads, by operation, such as writes and what is read again after them. */
  readonly requests?: Readonly<Record<string, number | Amount>> | undefined;
};

/**
 * The provider requests of a subgraph's fields, by coordinates such as `Customer.deals`. `<Type>.__resolveReference` stands for
 * an entity that another subgraph refers to. A field that is not listed takes none.
 */
export type FieldCosts<ReadName extends string = string> = Readonly<
  Record<string, FieldCost<ReadName> | ((info: FieldInfo) => FieldCost<ReadName>)>
>;

/** What resolving a subgraph's fields costs in provider requests. */
export type SubgraphCosts<ReadName extends string = string> = {
  readonly fields: FieldCosts<ReadName>;
  /** The fields that cost something else for a customer, who sees only their own data. */
  readonly ownFields?: FieldCosts<ReadName> | undefined;
};

/** Declares the costs of a provider's fields. The names of its reads are checked. */
export const defineCosts = <Definitions extends Reads>(
  _provider: { readonly reads: (api: never) => Definitions },
  costs: SubgraphCosts<keyof Definitions & string>,
): SubgraphCosts => costs as SubgraphCosts;
