import type { Data } from './data.ts';
import type { Path } from './objects-at.ts';
import type { SubgraphError } from './subgraph-request.ts';

/** A deferred part at one of its objects. */
export type PendingPart = {
  /** Unique within the response. */
  readonly id: string;
  /** The client's path of the object. */
  readonly path: Path;
  /** The label that the client gave it. */
  readonly label: string | undefined;
};

/** A deferred part at one of its objects, with what it selects there. */
export type DeliveredPart = PendingPart & {
  /** Null if a null propagated to the object. */
  readonly data: Data | null;
  readonly errors: readonly SubgraphError[];
};

/** One of the messages in which a response with deferred parts is delivered. */
export type Delivery = {
  /** What is not deferred. Set in the first message only. */
  readonly first: { readonly data: Data | null; readonly errors: readonly SubgraphError[] } | undefined;
  readonly parts: readonly DeliveredPart[];
  /** The parts that are announced: all that will follow, except those within other parts. */
  readonly pending: readonly PendingPart[];
  readonly hasNext: boolean;
};

/** Receives a response in parts. */
export type Recipient = {
  /** Whether a part repeats the fields that are also outside of it. */
  readonly repeatsFields: boolean;
  /** Called with each message. The objects in it change later. */
  readonly deliver: (delivery: Delivery) => void;
};
