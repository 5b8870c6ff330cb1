import { isDomainEventType } from '../domain-events.ts';
import { type AnyChanges, mergeChanges } from '../merge-changes.ts';
import {
  type ChangeMessage,
  type Delivery,
  digestOf,
  type EventMapping,
  type ProviderEvent,
  type Webhook,
} from '../webhook.ts';
import type { Decision, NewEvent, StoredEvent } from './store.ts';

/** The type of an event that stands for a delivery that cannot be split into its events. */
export const UNREADABLE = '(unreadable)';

/** The provider of messages from a broker that are no domain event. They are parked. */
export const NO_PROVIDER = 'broker';

/** The type of an event that a comparison of values has found. */
export const COMPARED = '(compared)';

/** Where events of a provider come from, and what those of each kind mean. */
export type EventSources = {
  readonly webhook?: Webhook<unknown> | undefined;
  readonly poll?: EventMapping<unknown> | undefined;
  /** Domain events of other applications. */
  readonly reports?: EventMapping<unknown> | undefined;
};

/** Maximum number of characters of an id, a type or an object's name. Longer ones are cut, or replaced by a digest. */
const MAX_CHARS = 300;

/** Returns a text that can be stored as an id or an object's name. */
export const bounded = (text: string): string => (text.length > MAX_CHARS ? `sha256 ${digestOf(text)}` : text);

/** Returns the events of a delivery to store. A delivery that cannot be read is one event, which will be parked. */
export const toNewEvents = (
  provider: string,
  webhook: Webhook<unknown>,
  delivery: Delivery,
  receivedAt: number,
): NewEvent[] =>
  split(webhook, delivery).map(({ id, content, type, object, version, payload }) => ({
    provider,
    id: bounded(id),
    digest: digestOf(content === undefined ? { id } : { content }),
    type: type.slice(0, MAX_CHARS),
    object: object === undefined ? null : bounded(object),
    version: version === undefined || !Number.isFinite(version) ? null : version,
    receivedAt,
    payload: JSON.stringify(payload ?? null),
  }));

const split = (webhook: Webhook<unknown>, delivery: Delivery): readonly ProviderEvent[] => {
  try {
    return webhook.events(delivery);
  } catch {
    const { body } = delivery;
    return [{ id: `unreadable ${digestOf(body)}`, type: UNREADABLE, payload: body }];
  }
};

/** Decides what becomes of an event: its changes and messages by the provider's definition, or why it is parked. Never throws. */
export const decide = (event: StoredEvent, sources: EventSources = {}): Decision => {
  if (event.provider === NO_PROVIDER) {
    return { problem: event.type === UNREADABLE ? 'It is no CloudEvent in JSON.' : 'Its type is unknown.' };
  }
  const source = sourceOf(event.type);
  const mapping = sources[source];
  if (!mapping) return { problem: `This gateway has no ${NAMES[source]} of the provider.` };
  try {
    const events = eventsOf(event, sources.webhook);
    const changes = mergeChanges(events.map((one) => mapping.changes(one) as AnyChanges));
    const messages = uniqueMessages(events.flatMap((one) => mapping.messages(one)));
    return { changes: JSON.stringify(changes), messages: messages.length > 0 ? JSON.stringify(messages) : null };
  } catch (error) {
    return { problem: problemOf(error) };
  }
};

const NAMES = { webhook: 'webhook', poll: 'poller', reports: 'domain events' } as const;

const sourceOf = (type: string): keyof EventSources => {
  if (type === COMPARED) return 'poll';
  return isDomainEventType(type) ? 'reports' : 'webhook';
};

const eventsOf = (
  { type, payload: text }: StoredEvent,
  webhook: Webhook<unknown> | undefined,
): readonly Pick<ProviderEvent, 'type' | 'payload'>[] => {
  const payload: unknown = JSON.parse(text);
  // Replayed after the definition has learned to read it. Its headers are not known any more.
  return type === UNREADABLE && webhook
    ? webhook.events({ header: () => undefined, body: payload })
    : [{ type, payload }];
};

const uniqueMessages = (messages: readonly ChangeMessage[]): readonly ChangeMessage[] => [
  ...new Map(messages.map((message) => [JSON.stringify(message), message])).values(),
];

/** Returns where an event differs from what was expected. Not its values, which may be a customer's. */
const problemOf = (error: unknown): string => {
  if (typeof error === 'object' && error !== null && 'issues' in error && Array.isArray(error.issues)) {
    const paths = (error.issues as { readonly path: readonly PropertyKey[] }[]).map(({ path }) => path.join('.'));
    return `Unexpected ${[...new Set(paths)].slice(0, 5).join(', ') || 'event'}.`;
  }
  return error instanceof Error ? error.name : 'It cannot be read.';
};
