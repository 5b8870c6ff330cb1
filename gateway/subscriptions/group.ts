import { setImmediate as nextTurn } from 'node:timers/promises';
import { EventsExpired } from '../../events/feed.ts';
import type { Log } from '../../runtime/log.ts';
import type { LiveOptions } from '../execution/live-directive.ts';
import type { GraphSubscription } from '../execution/prepare-subscription.ts';
import type { ExecutionResponse } from '../execution/program.ts';
import type { RequestDeadline } from '../execution/request-rights.ts';
import {
  type SubgraphError,
  type SubgraphEvent,
  type SubgraphSubscription,
  SubscriptionLost,
} from '../execution/subgraph-request.ts';
import { EXPIRED, FORBIDDEN, INVALID, LOST } from './end-reasons.ts';
import { asWhole } from './live-message.ts';
import type { EndReason, SubscriptionMessage } from './message.ts';

/** A subscription of a client's request. It is prepared again when the supergraph has changed. */
export type PreparedSubscription<Context> = {
  readonly subscription: GraphSubscription<Context>;
  /** Returns the subscription for the current supergraph: undefined if this is it, a response if it is not valid any more. */
  readonly renew: () => Promise<PreparedSubscription<Context> | ExecutionResponse | undefined>;
};

/** One client's part of a group. */
export type Member<Context> = {
  readonly context: Context;
  readonly send: (message: SubscriptionMessage) => void;
  readonly end: (reason: EndReason) => void;
  /** The group that it is in now. */
  group: Group<Context> | undefined;
};

/** The public form of the response to an event. */
export type ClientResponse = Pick<SubscriptionMessage, 'data' | 'errors' | 'stale'>;

/** What a group needs of the gateway. */
export type GroupOptions<Context> = {
  /** Creates the context of one event for a member, and a function that releases it. `signal` ends the subscription. */
  readonly createEventContext: (
    context: Context,
    signal: AbortSignal,
  ) => { readonly context: Context; readonly deadline: RequestDeadline; readonly release: () => void };
  /** Converts a response to its public form. */
  readonly toClientResponse: (response: ExecutionResponse) => ClientResponse;
  /** Called with the response to each event, in the event's context. */
  readonly onResponse: (context: Context, response: ClientResponse) => void;
  /** Converts a response to a message. `previous` is the answer before, of a live query. Undefined if nothing is to be sent. */
  readonly toMessage: (
    event: SubgraphEvent<Context>,
    response: ClientResponse,
    live: { readonly options: LiveOptions; readonly previous: SubscriptionMessage | undefined } | undefined,
  ) => SubscriptionMessage | undefined;
  /** Called with each event that has been sent, and the number of members that got it. */
  readonly onEvent: (event: SubgraphEvent<Context>, members: number) => void;
  readonly log: Log;
};

/** Subscribers with equal responses. Each event is read and executed once for all of them. */
export type Group<Context> = {
  readonly members: ReadonlySet<Member<Context>>;
  readonly add: (member: Member<Context>) => void;
  /** Ends the group, and what it reads from, with its last member. */
  readonly remove: (member: Member<Context>) => void;
  /** The place up to which all members have the events. Undefined if the subgraph has no places. */
  readonly lastEventId: () => string | undefined;
  /** Moves all members to another group, which has sent the same events. */
  readonly moveTo: (other: Group<Context>) => void;
  readonly end: (reason: EndReason) => void;
};

/** A group that has begun. */
export type OpenedGroup<Context> = {
  readonly group: Group<Context>;
  /** The place from which it begins, if its subgraph has places. */
  readonly place: string | undefined;
  /** Begins to read events. Call it once the group has a member. */
  readonly start: () => void;
};

/**
 * Begins a group. Returns a response with errors if its subgraph refuses the subscription. `onSent` is called after each event that
 * all members have, and `onEnd` when the group has ended.
 */
export const openGroup = async <Context>(
  prepared: PreparedSubscription<Context>,
  {
    context,
    after,
    onSent,
    onEnd,
    ...options
  }: GroupOptions<Context> & {
    readonly context: Context;
    readonly after: string | undefined;
    readonly onSent: (group: Group<Context>) => void;
    readonly onEnd: (group: Group<Context>) => void;
  },
): Promise<OpenedGroup<Context> | ExecutionResponse> => {
  const ended = new AbortController();
  const members = new Set<Member<Context>>();
  let lastEventId: string | undefined;
  /** The last answer of a live query. */
  let answer: SubscriptionMessage | undefined;

  const end = (reason: EndReason): void => {
    if (ended.signal.aborted) return;
    ended.abort();
    for (const member of members) member.end(reason);
    members.clear();
    onEnd(group);
  };

  const group: Group<Context> = {
    members,
    add: (member) => {
      members.add(member);
      member.group = group;
      if (answer) member.send(asWhole(answer));
    },
    remove: (member) => {
      members.delete(member);
      if (members.size === 0) end(undefined);
    },
    lastEventId: () => lastEventId,
    moveTo: (other) => {
      for (const member of members) other.add(member);
      members.clear();
      end(undefined);
    },
    end,
  };

  const open = ({ subscription }: PreparedSubscription<Context>, from: string | undefined) =>
    subscription.open({
      after: from,
      signal: ended.signal,
      createContext: () => options.createEventContext(context, ended.signal),
    });

  /** Removes the members that may not read any more what they could when they subscribed. */
  const authorize = async ({ hasRules, isAuthorized }: GraphSubscription<Context>): Promise<void> => {
    if (!hasRules) return;
    await Promise.all(
      [...members].map(async (member) => {
        // A policy that cannot be decided now protects nobody's data by sending it.
        const isAllowed = await isAuthorized(member.context).catch(() => false);
        if (isAllowed || !members.delete(member)) return;
        member.end(FORBIDDEN);
      }),
    );
  };

  /** Executes an event once, at the cost of the first member that may. */
  const respond = async (
    subscription: GraphSubscription<Context>,
    event: SubgraphEvent<Context>,
  ): Promise<ClientResponse | undefined> => {
    for (const member of members) {
      const { context: own, deadline, release } = options.createEventContext(member.context, ended.signal);
      try {
        const response = options.toClientResponse(await subscription.execute(event, own, deadline));
        options.onResponse(own, response);
        const refused =
          response.data === undefined && response.errors?.find((error) => codeOf(error) === 'BUDGET_EXCEEDED');
        if (!refused) return response;
        // Not if it has moved to another group meanwhile.
        if (members.delete(member)) member.end({ message: refused.message, code: 'BUDGET_EXCEEDED' });
      } finally {
        release();
      }
    }
    return undefined;
  };

  const deliver = async (subscription: GraphSubscription<Context>, event: SubgraphEvent<Context>): Promise<void> => {
    await authorize(subscription);
    const response = await respond(subscription, event);
    lastEventId = event.eventId;
    if (response) {
      const { live } = subscription;
      const message = options.toMessage(event, response, live && { options: live, previous: answer });
      if (message) {
        if (live) answer = message;
        for (const member of members) member.send(message);
        options.onEvent(event, members.size);
      }
    }
    // At once: whoever joins from here on is told a place after this event.
    if (members.size === 0) end(undefined);
    else onSent(group);
    // In a burst of events, sockets are written between them.
    if (response) await nextTurn();
  };

  /** Delivers events until there are no more, or the supergraph has changed. Returns what to go on with, if anything. */
  const read = async (prepared: PreparedSubscription<Context>, { events }: Opened<Context>) => {
    for await (const event of events) {
      if (ended.signal.aborted) return undefined;
      const renewed = await prepared.renew();
      if (!renewed) {
        await deliver(prepared.subscription, event);
        continue;
      }
      // An event without a place cannot be read again.
      if (lastEventId === undefined) await deliver(prepared.subscription, event);
      const reopened = 'renew' in renewed ? await open(renewed, lastEventId) : undefined;
      if (reopened && isOpen(reopened) && 'renew' in renewed) return { prepared: renewed, opened: reopened };
      const isInvalid =
        'errors' in renewed &&
        renewed.errors.some((error) => [undefined, INVALID.code].includes(codeOf(error) as string));
      // Anything else may work for a client that subscribes again.
      end(isInvalid ? INVALID : LOST);
      return undefined;
    }
    end(undefined);
    return undefined;
  };

  const run = async (first: Opened<Context>): Promise<void> => {
    let next: Awaited<ReturnType<typeof read>> = { prepared, opened: first };
    try {
      while (next && !ended.signal.aborted) next = await read(next.prepared, next.opened);
    } catch (error) {
      if (error instanceof EventsExpired) return end(EXPIRED);
      if (!ended.signal.aborted && !(error instanceof SubscriptionLost)) {
        options.log.error({ err: error }, 'A subscription has failed.');
      }
      end(LOST);
    }
  };

  const opened = await open(prepared, after);
  if (!isOpen(opened)) {
    // Closes connections that were opened before the refusal.
    ended.abort();
    return { errors: opened, stale: [] };
  }
  lastEventId = opened.place;
  return { group, place: opened.place, start: () => void run(opened) };
};

type Opened<Context> = Exclude<SubgraphSubscription<Context>, readonly SubgraphError[]>;

const isOpen = <Context>(opened: SubgraphSubscription<Context>): opened is Opened<Context> => 'events' in opened;

const codeOf = ({ extensions }: { readonly extensions?: Readonly<Record<string, unknown>> | undefined }): unknown =>
  extensions?.['code'];
