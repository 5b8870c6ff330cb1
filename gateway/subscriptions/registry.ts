import type { Identity } from '../../subgraphs/kit/identity.ts';
import type { SubscriptionsState } from '../../telemetry/state.ts';
import type { ExecutionResponse } from '../execution/program.ts';
import { type Group, type GroupOptions, type Member, openGroup, type PreparedSubscription } from './group.ts';
import type { EndReason, SubscriptionMessage } from './message.ts';

/** A client's open subscription, as its transport sees it. */
export type Subscriber = {
  readonly send: (message: SubscriptionMessage) => void;
  /** Called once, unless the subscriber has left. */
  readonly end: (reason: EndReason) => void;
};

/** An open subscription. */
export type OpenSubscription = {
  /** The place from which it begins, if its subgraph has places: as the id of an event, after which it can be continued. */
  readonly place: string | undefined;
  readonly leave: () => void;
};

/** Maximum numbers of open subscriptions, and the time after which one is ended, in milliseconds. */
export type SubscriptionLimits = {
  readonly total: number;
  readonly perClient: number;
  readonly maxAgeMs: number;
};

export type Subscriptions<Context> = {
  /**
   * Adds a subscriber. `after` is the id of the last event that it has; default: it begins now. Returns a response with errors if it
   * cannot be added.
   */
  readonly add: (options: {
    readonly prepared: PreparedSubscription<Context>;
    readonly context: Context;
    readonly after: string | undefined;
    readonly subscriber: Subscriber;
  }) => Promise<OpenSubscription | ExecutionResponse>;
  readonly state: () => SubscriptionsState;
  /** Ends all subscriptions, and refuses further ones. */
  readonly close: () => void;
};

export type SubscriptionsOptions<Context> = GroupOptions<Context> & {
  readonly limits: SubscriptionLimits;
  /** Returns what is kept of a context while its subscription is open. */
  readonly retain: (context: Context) => Context;
  readonly identityOf: (context: Context) => Identity;
  /** The id of the client that a context's limits count for. */
  readonly clientIdOf: (context: Context) => string;
  /** What else of a request its subgraphs see, so that only equal ones share a group. */
  readonly audienceOf: (context: Context) => unknown;
};

export const SHUTTING_DOWN: NonNullable<EndReason> = {
  message: 'The server is shutting down. Subscribe again, after the last event that you have.',
  code: 'SUBSCRIPTION_LOST',
};

const TOO_OLD: NonNullable<EndReason> = {
  message: 'The subscription has reached its maximum age. Subscribe again, after the last event that you have.',
  code: 'SUBSCRIPTION_LOST',
};

const TOKEN_EXPIRED: NonNullable<EndReason> = {
  message: 'The token has expired. Subscribe again with a new one.',
  code: 'UNAUTHENTICATED',
};

const refuse = (message: string, code: string, status: number): ExecutionResponse => ({
  errors: [{ message, extensions: { code, http: { status } } }],
  stale: [],
});

const TOO_LARGE = refuse(
  'The variables of a subscription must have at most 64,000 characters as JSON.',
  'OPERATION_LIMIT_EXCEEDED',
  400,
);

/** Maximum length of what tells a subscription from others: its variables, mostly. It is kept while the subscription is open. */
const MAX_KEY_CHARS = 64_000;

/** Node's timers take no longer delay, about 25 days. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** A part of the maximum age by which it varies, so that subscriptions that began together do not end together. */
const JITTER = 0.1;

/** Returns the time until a token expires, in milliseconds. Infinity for other credentials. */
const leftOf = ({ claims: { exp } }: Identity): number =>
  typeof exp === 'number' ? Math.max(0, exp * 1000 - Date.now()) : Number.POSITIVE_INFINITY;

/** Creates the subscriptions of a process. Those with equal responses form a group. */
export const createSubscriptions = <Context>({
  limits,
  retain,
  identityOf,
  clientIdOf,
  audienceOf,
  ...options
}: SubscriptionsOptions<Context>): Subscriptions<Context> => {
  /** The groups that take members, by key: those that begin now, and those that continue from a place and have sent nothing yet. */
  const joinable = new Map<string, Group<Context> | Promise<unknown>>();
  const groups = new Set<Group<Context>>();
  const perClient = new Map<string, number>();
  let subscribers = 0;
  let isClosed = false;

  const keyOf = ({ subscription }: PreparedSubscription<Context>, context: Context): string => {
    const { tenant, customerEmail } = identityOf(context);
    return JSON.stringify([subscription.key, tenant, customerEmail, audienceOf(context)]);
  };

  const count = (clientId: string, by: 1 | -1): void => {
    subscribers += by;
    const next = (perClient.get(clientId) ?? 0) + by;
    if (next === 0) perClient.delete(clientId);
    else perClient.set(clientId, next);
  };

  const checkLimits = (clientId: string): ExecutionResponse | undefined => {
    if (isClosed) return refuse(SHUTTING_DOWN.message, 'OVERLOADED', 503);
    if (subscribers >= limits.total) return refuse('Too many subscriptions are open. Retry later.', 'OVERLOADED', 503);
    if ((perClient.get(clientId) ?? 0) >= limits.perClient) {
      return refuse('You have too many open subscriptions. Close one of them first.', 'RATE_LIMITED', 429);
    }
    return undefined;
  };

  /** Begins a group with its first member. */
  const begin = async (
    base: string,
    after: string | undefined,
    { prepared, context }: { readonly prepared: PreparedSubscription<Context>; readonly context: Context },
    member: Member<Context>,
  ) => {
    const key = JSON.stringify([base, after]);
    const fresh = JSON.stringify([base, undefined]);
    const opened = await openGroup(prepared, {
      ...options,
      context,
      after,
      onEnd: (group) => {
        groups.delete(group);
        for (const one of [key, fresh]) if (joinable.get(one) === group) joinable.delete(one);
      },
      onSent: (group) => {
        if (after === undefined) return;
        // Whoever continues from the same place would miss what has been sent.
        if (joinable.get(key) === group) joinable.delete(key);
        const current = joinable.get(fresh);
        if (current === undefined) joinable.set(fresh, group);
        else if (!(current instanceof Promise) && current !== group && current.lastEventId() === group.lastEventId()) {
          group.moveTo(current);
        }
      },
    });
    if (!('group' in opened)) return opened;
    const { group, place, start } = opened;
    groups.add(group);
    group.add(member);
    joinable.set(key, group);
    start();
    return { group, place };
  };

  const join = async (
    given: { readonly prepared: PreparedSubscription<Context>; readonly context: Context },
    after: string | undefined,
    member: Member<Context>,
  ) => {
    const base = keyOf(given.prepared, given.context);
    const key = JSON.stringify([base, after]);
    for (;;) {
      const known = joinable.get(key);
      if (!known) break;
      if (known instanceof Promise) {
        await known;
        continue;
      }
      known.add(member);
      return { group: known, place: known.lastEventId() };
    }
    const beginning = begin(base, after, given, member);
    joinable.set(key, beginning);
    try {
      return await beginning;
    } finally {
      if (joinable.get(key) === beginning) joinable.delete(key);
    }
  };

  return {
    add: async ({ prepared, context, after, subscriber }) => {
      const clientId = clientIdOf(context);
      const refused = prepared.subscription.key.length > MAX_KEY_CHARS ? TOO_LARGE : checkLimits(clientId);
      if (refused) return refused;
      count(clientId, 1);
      let isOver = false;
      let timer: NodeJS.Timeout | undefined;
      const finish = (): boolean => {
        if (isOver) return false;
        isOver = true;
        clearTimeout(timer);
        count(clientId, -1);
        return true;
      };
      const member: Member<Context> = {
        group: undefined,
        context: retain(context),
        send: subscriber.send,
        end: (reason) => {
          if (finish()) subscriber.end(reason);
        },
      };
      const leave = (): void => {
        if (finish()) member.group?.remove(member);
      };
      try {
        const joined = await join({ prepared, context }, after, member);
        if (!('group' in joined)) {
          finish();
          return joined;
        }
        const tokenMs = leftOf(identityOf(context));
        const ageMs = limits.maxAgeMs * (1 - JITTER * Math.random());
        timer = setTimeout(
          () => {
            member.group?.remove(member);
            member.end(tokenMs <= ageMs ? TOKEN_EXPIRED : TOO_OLD);
          },
          Math.min(MAX_DELAY_MS, tokenMs, ageMs),
        ).unref();
        return { place: joined.place, leave };
      } catch (error) {
        finish();
        throw error;
      }
    },
    state: () => ({ subscribers, groups: groups.size }),
    close: () => {
      isClosed = true;
      for (const group of groups) group.end(SHUTTING_DOWN);
    },
  };
};
