import type { BrokerUrl } from './broker-url.ts';

/*
 * The port to a message broker: messages are published to one channel, and those of others are received from another. Drivers are in
 * this folder, and `test/events/brokers/conformance.ts` is what each of them must do.
 */

/** A message to publish. */
export type BrokerMessage = {
  /** Unique. A message that is published again has the same. */
  readonly id: string;
  /** E.g. `tributary.payment.changed.v1`. Brokers that route messages do so by it. */
  readonly type: string;
  /** Messages with equal keys stay in their order. */
  readonly key: string;
  /** A CloudEvent in JSON. */
  readonly body: string;
};

/** Whether the broker can be used, as far as is known. */
export type BrokerStatus = 'up' | 'down';

export type Broker = {
  /**
   * Publishes messages. Resolves once the broker has stored all. If it rejects, any of them may have been stored: publish all again.
   * Of two messages with one key, a later one is never stored without the one before it.
   */
  readonly publish: (messages: readonly BrokerMessage[]) => Promise<void>;
  /**
   * Receives the bodies of messages, also those that were sent before the first subscription. They are acknowledged once the handler
   * has resolved; if it rejects, it gets them again. After a crash or a lost connection it may get them again as well: NATS may then
   * deliver them after later ones. The consumers of several processes share the messages.
   */
  readonly subscribe: (handle: (bodies: readonly string[]) => Promise<void>) => void;
  readonly status: () => BrokerStatus;
  /** Waits for what is being handled, then disconnects. */
  readonly close: () => Promise<void>;
};

/** The channels of a broker: topics, streams or queues. */
export type BrokerChannels = {
  /** Where messages are published. */
  readonly publishTo: string;
  /** Whether nothing will be published, so that the channel for it need not exist. */
  readonly isReceiveOnly?: boolean | undefined;
  /** Where messages are received from, once there is a subscription. */
  readonly receiveFrom: string;
  /** Names the consumers that share the received messages. */
  readonly group: string;
};

/** Handles messages and then acknowledges them. Rejects if the session ends before, or if they cannot be acknowledged. */
export type Deliver = (bodies: readonly string[], acknowledge: () => Promise<void> | void) => Promise<void>;

/** A connection to a broker that is open until `ended` resolves. Drivers open them; `createBroker` replaces lost ones. */
export type BrokerSession = {
  readonly publish: (messages: readonly BrokerMessage[]) => Promise<void>;
  /** Receives messages until the session ends. Rejects if they cannot be received. */
  readonly receive: (deliver: Deliver) => Promise<void>;
  /** Resolves with the reason when the connection is lost. */
  readonly ended: Promise<unknown>;
  readonly close: () => Promise<void>;
};

/** Opens a connection. Rejects if the broker cannot be reached or used. */
export type OpenSession = () => Promise<BrokerSession>;

/** Creates the sessions of one system of brokers. */
export type Driver = (at: BrokerUrl, channels: BrokerChannels) => OpenSession;

/** Messages that are received at once. */
export const RECEIVE_BATCH = 200;

/** Messages that a channel keeps that this process has created. Beyond, the broker drops the oldest. */
export const MAX_STORED = 1_000_000;

/** Time for which a channel keeps messages that this process has created, in milliseconds. */
export const MAX_STORED_MS = 7 * 24 * 3_600_000;

/** The media type of a CloudEvent in JSON. */
export const CLOUD_EVENT_TYPE = 'application/cloudevents+json';
