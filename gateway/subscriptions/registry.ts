import type { Identity } from '../../subgraphs/kit/identity.ts';
import type { SubscriptionsState } from '../../telemetry/state.ts';
import type { GraphSubscription } from '../execution/prepare-subscription.ts';
import type { ExecutionResponse } from '../execution/program.ts';
import { SHUTTING_DOWN, TOKEN_EXPIRED, TOO_OLD } from './end-reasons.ts';
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

/** The group that a subscriber has joined, and the place from which it begins; or why there is none. */
type Joined<Context> = { readonly group: Group<Context>; readonly place: string | undefined } | ExecutionResponse;

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

/**
 * Maximum length of all different documents of open subscriptions, in characters, and of all that tells them from others. Measured: a
 * document of 2,000 characters with its program takes about 470 kB, so that all documents take about 250 MiB.
 */
const MAX_DOCUMENT_CHARS = 1024 * 1024;
const MAX_KEYS_CHARS = 64 * 1024 * 1024;

/** Node's timers take no longer delay, about 25 days. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** A part of the maximum age by which it varies, so that subscriptions that began together do not end together. */
const JITTER = 0.1;

/** Returns the time until a token expires, in milliseconds. Infinity for other credentials. */
const leftOf = ({ claims: { exp } }: Identity): number =>
  typeof exp === 'number' ? Math.max(0, exp * 1000 - Date.now()) : Number.POSITIVE_INFINITY;

/** Counts the texts that open groups keep: documents, each once, and keys. */
const createKeptTexts = () => {
  const documents = new Map<string, number>();
  let documentChars = 0;
  let keyChars = 0;
  return {
    hasRoomFor: (key: string, { hash, characters }: GraphSubscription<never>['document']): boolean =>
      keyChars + key.length <= MAX_KEYS_CHARS &&
      (documents.has(hash) || documentChars + characters <= MAX_DOCUMENT_CHARS),
    /** Counts the texts of a group, and returns a function that forgets them. */
    keep: (key: string, { hash, characters }: GraphSubscription<never>['document']): (() => void) => {
      const groups = documents.get(hash) ?? 0;
      documents.set(hash, groups + 1);
      if (groups === 0) documentChars += characters;
      keyChars += key.length;
      let isForgotten = false;
      return () => {
        if (isForgotten) return;
        isForgotten = true;
        keyChars -= key.length;
        const left = (documents.get(hash) ?? 1) - 1;
        if (left > 0) documents.set(hash, left);
        else {
          documents.delete(hash);
          documentChars -= characters;
        }
      };
    },
  };
};

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
  const joinable = new Map<string, Group<Context> | Promise<Joined<Context>>>();
  /** All groups, by what they subscribe to: more than one while some continue from earlier places. */
  const groups = new Map<string, Set<Group<Context>>>();
  const kept = createKeptTexts();
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

  const all = () => [...groups.values()].flatMap((equal) => [...equal]);

  const groupsOf = (base: string): Iterable<Group<Context>> => groups.get(base) ?? [];

  /** Makes one group of those that have sent the same events. New subscribers join it if they can join one of them. */
  const merge = (base: string, group: Group<Context>): void => {
    const place = group.lastEventId();
    if (place === undefined) return;
    const current = joinable.get(JSON.stringify([base, undefined]));
    for (const other of groupsOf(base)) {
      if (other === group || other.lastEventId() !== place) continue;
      if (other === current) {
        group.moveTo(other);
        return;
      }
      other.moveTo(group);
    }
  };

  /** Begins a group with its first member. */
  const begin = async (
    base: string,
    after: string | undefined,
    prepared: PreparedSubscription<Context>,
    member: Member<Context>,
  ): Promise<Joined<Context>> => {
    const key = JSON.stringify([base, after]);
    const { document } = prepared.subscription;
    if (!kept.hasRoomFor(key, document)) {
      return refuse('Too many different subscriptions are open. Retry later.', 'OVERLOADED', 503);
    }
    const forget = kept.keep(key, document);
    let opened: Awaited<ReturnType<typeof openGroup<Context>>> | undefined;
    try {
      opened = await openGroup(prepared, {
        ...options,
        context: member.context,
        after,
        onEnd: (group) => {
          forget();
          const equal = groups.get(base);
          equal?.delete(group);
          if (equal?.size === 0) groups.delete(base);
          if (joinable.get(key) === group) joinable.delete(key);
        },
        onSent: (group) => {
          // A subscriber that continues from the same place would miss this event.
          if (after !== undefined && joinable.get(key) === group) joinable.delete(key);
          merge(base, group);
        },
      });
    } finally {
      if (!opened || !('group' in opened)) forget();
    }
    if (!('group' in opened)) return opened;
    const { group, place, start } = opened;
    groups.set(base, (groups.get(base) ?? new Set()).add(group));
    group.add(member);
    if (isClosed) group.end(SHUTTING_DOWN);
    else {
      joinable.set(key, group);
      start();
    }
    return { group, place };
  };

  const join = async (
    base: string,
    after: string | undefined,
    prepared: PreparedSubscription<Context>,
    member: Member<Context>,
  ): Promise<Joined<Context>> => {
    const key = JSON.stringify([base, after]);
    for (;;) {
      const known = joinable.get(key);
      if (!known) break;
      if (known instanceof Promise) {
        const joined = await known;
        // The others would be refused as well, one after the other.
        if (!('group' in joined)) return joined;
        continue;
      }
      known.add(member);
      return { group: known, place: known.lastEventId() };
    }
    const beginning = begin(base, after, prepared, member);
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
      const base = keyOf(prepared, context);
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
        // A live query has no places.
        const from = prepared.subscription.live ? undefined : after;
        const joined = await join(base, from, prepared, member);
        if (!('group' in joined)) {
          finish();
          return joined;
        }
        // It has ended already.
        if (isOver) return { place: joined.place, leave };
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
    state: () => ({ subscribers, groups: all().length }),
    close: () => {
      isClosed = true;
      for (const group of all()) group.end(SHUTTING_DOWN);
    },
  };
};
