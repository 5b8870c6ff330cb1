import { createHash } from 'node:crypto';
import type { SignatureScheme } from './signatures/scheme.ts';

/** A verified delivery. */
export type Delivery = {
  /** Returns a header by its lower-case name. Few schemes sign headers. */
  readonly header: (name: string) => string | undefined;
  /** The parsed body. */
  readonly body: unknown;
};

/** An event of a delivery. Plain data. */
export type ProviderEvent = {
  /** The provider's id, unique among its events. Where it is not, include what makes it so. */
  readonly id: string;
  /**
   * What tells this event from others beside its id, in any form: two events with the same content are one. Leave out what differs
   * between deliveries, such as a number of attempts. Default: nothing, so that only ids are compared.
   */
  readonly content?: unknown;
  /** E.g. `customer.updated`. */
  readonly type: string;
  /** The changed object, e.g. `customer cus_1`. Events of one object are ordered. Undefined if there is none. */
  readonly object?: string | undefined;
  /** The provider's time of the change in milliseconds since 1970, or the object's version. Undefined if there is neither. */
  readonly version?: number | undefined;
  /** The event itself, which `changes` reads. */
  readonly payload: unknown;
};

/** Tells subscribers of a topic that something has changed. It carries keys only: they read what they have selected. */
export type ChangeMessage = { readonly topic: string; readonly [key: string]: string };

/**
 * What events mean. `Changes` names what is invalidated: reads and scopes of the provider's definition. `Message` is what the
 * subscriptions of the domain understand.
 */
export type EventMapping<Changes, Message extends ChangeMessage = ChangeMessage> = {
  /** Returns what an event changes: nothing for types that no read depends on. Throws if it cannot be read. */
  readonly changes: (event: Pick<ProviderEvent, 'type' | 'payload'>) => Changes;
  /** Returns what subscribers are told of an event. Throws if it cannot be read. */
  readonly messages: (event: Pick<ProviderEvent, 'type' | 'payload'>) => readonly Message[];
};

/** A provider's webhook. */
export type Webhook<Changes, Message extends ChangeMessage = ChangeMessage> = EventMapping<Changes, Message> & {
  readonly signature: SignatureScheme;
  /** A sentence for the documentation that says where the secret is found. */
  readonly secret: string;
  /** Time for which the provider repeats a delivery that has failed, in hours. Replays are known for at least as long. */
  readonly retriesForHours: number;
  /** Splits a delivery into its events. Throws if it cannot be read. */
  readonly events: (delivery: Delivery) => readonly ProviderEvent[];
};

/** Returns a digest of a value. Objects with the same properties in another order have the same one. */
export const digestOf = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(value, sortProperties) ?? '')
    .digest('base64url');

const sortProperties = (_name: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
    : value;
