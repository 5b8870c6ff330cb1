import { GraphQLError } from 'graphql';
import type { FeedEvent } from '../../events/feed.ts';
import type { ChangeMessage } from '../../events/webhook.ts';

/** The events of a provider, as a subscription's resolver finds them in its context. */
export type Events = {
  /** Returns the events of a topic that are wanted. */
  readonly subscribe: (topic: string, isWanted: IsWanted<object, ChangeMessage>) => AsyncIterable<FeedEvent>;
  /** Polls the provider for changes of these keys, if it does not report them. */
  readonly watch: (keys: readonly string[] | 'all') => void;
};

/**
 * Decides whether an event is wanted. `context` is new for each event, and is not confined to a customer's data; `customerEmail`
 * is the address of the customer whose data alone the subscriber may see, in lower case, if there is one.
 */
export type IsWanted<Context, Message> = (
  message: Message,
  context: Context,
  customerEmail: string | undefined,
) => boolean | Promise<boolean>;

type EventsOptions = {
  /** The address of the customer whose data alone the subscriber may see. */
  readonly customerEmail: string | undefined;
  readonly select: (topic: string) => AsyncIterable<FeedEvent>;
  /** Undefined if the provider is not polled. */
  readonly watch?: ((keys: readonly string[] | 'all') => void) | undefined;
  /** Creates a context that is not confined to a customer's data. `release` frees what it holds. */
  readonly createContext: () => { readonly context: object; readonly release: () => void };
};

/** Creates the events for one subscription. */
export const createEvents = ({ customerEmail, select, watch, createContext }: EventsOptions): Events => ({
  watch: (keys) => watch?.(keys),
  subscribe: async function* (topic, isWanted) {
    for await (const event of select(topic)) {
      const { context, release } = createContext();
      let wanted: boolean;
      try {
        wanted = await isWanted(event.message, context, customerEmail);
      } catch {
        // The subscriber gets the error at the field. It may not learn of other customers' events.
        wanted = customerEmail === undefined;
      } finally {
        release();
      }
      if (wanted) yield event;
    }
  },
});

/**
 * Subscribes to a topic of the domain. `keys` are those whose changes are looked for, if the provider is polled. Throws
 * SUBSCRIPTIONS_UNAVAILABLE if the provider's events are not received.
 */
export const subscribeTo = <Context extends object, Message extends ChangeMessage>(
  context: Context & { readonly events?: Events | undefined },
  topic: Message['topic'],
  isWanted: IsWanted<Context, Message>,
  keys?: readonly string[] | 'all',
): AsyncIterable<FeedEvent<Message>> => {
  const { events } = context;
  if (!events) {
    throw new GraphQLError('The provider reports no changes here, so there is nothing to subscribe to.', {
      extensions: { code: 'SUBSCRIPTIONS_UNAVAILABLE' },
    });
  }
  if (keys) events.watch(keys);
  // The definition of the domain's provider sends no other messages, and the context is that of this subgraph.
  return events.subscribe(topic, isWanted as IsWanted<object, ChangeMessage>) as AsyncIterable<FeedEvent<Message>>;
};
