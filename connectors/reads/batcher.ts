import { untilAborted } from '../abort.ts';
import type { Ledger } from '../call-stats.ts';
import { isUpstreamError, type UpstreamError } from '../errors.ts';
import type { CallOptions, Standing } from '../middleware/chain.ts';
import type { Turn } from '../rate-limits/scheduler.ts';

/** Cuts `items` into lists of at most `size`, in order. */
export const chunksOf = <T>(items: readonly T[], size: number): T[][] => {
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += size) chunks.push(items.slice(start, start + size));
  return chunks;
};

/** What one call says of its keys: leaves out what the provider knows nothing of; one key's failure is an Error. */
export type BatchAnswer<Value> = ReadonlyMap<string, Value | Error>;

/** What the provider says of one key, `null` for nothing, and when it was asked, by `stamp`. */
export type Told<Value> = { readonly value: Value | null; readonly askedAt: number };

export type GathererOptions<Value> = {
  readonly upstream: string;
  readonly operation: string;
  /** Keys that one call may carry. */
  readonly maxBatch: number;
  /** One call. */
  readonly ask: (keys: readonly string[], call: CallOptions) => Promise<BatchAnswer<Value>>;
  /** Takes a turn for a call before it is known what it carries: while it waits in line, keys are still gathered. */
  readonly takeTurn: (call: CallOptions) => Promise<Turn>;
  /** What to tell whose time is up while the call is in line. */
  readonly whyInLine: () => UpstreamError | undefined;
  /** Keeps what was said of keys. Until it has, they are not asked again. */
  readonly onAnswer?: ((told: ReadonlyMap<string, Told<Value>>) => Promise<void>) | undefined;
  /** How long keys are gathered while another call of this kind is running, in milliseconds. Default 5. */
  readonly gatherMs?: number;
  /** A clock that never gives the same moment twice; see `createStamps`. */
  readonly stamp: () => number;
};

/** Asks a provider for keys on behalf of all running requests. */
export type Gatherer<Value> = {
  /**
   * What the provider says of each key, in their order; an Error where a key failed by itself or with its whole call.
   * Throws UPSTREAM_TIMEOUT or UPSTREAM_CANCELLED when the caller's signal ends before that.
   */
  readonly load: (keys: readonly string[], call: CallOptions) => Promise<(Told<Value> | Error)[]>;
  /** These keys have changed: whoever asks from now on does not join a call that is under way. */
  readonly forget: (isMeant: (key: string) => boolean) => void;
};

type Flight<Value> = {
  readonly batch: Batch<Value>;
  readonly answer: PromiseWithResolvers<Told<Value> | Error>;
  waiters: number;
};

type Batch<Value> = {
  /** Those that have no answer yet. */
  readonly flights: Map<string, Flight<Value>>;
  readonly controller: AbortController;
  readonly standing: Standing;
  readonly ledgers: Set<Ledger>;
  /** Whether it waits for its turn. */
  isInLine: boolean;
  /** When it was sent; undefined while keys can still be added. */
  askedAt: number | undefined;
  waiters: number;
};

const ENDLESS = Number.POSITIVE_INFINITY;

/**
 * Gathers keys over all running requests into calls as full as the provider allows. A key that is on its way already is
 * not asked again.
 *
 * While nothing of this kind is running a call goes out within the same turn of the event loop; while something is, keys
 * are gathered for `gatherMs`, or until a call is full. A call that has to wait for its turn takes on more keys as long as
 * it waits, so the scarcer the turns, the fuller the calls. A caller that leaves takes nobody with it: a call is given up
 * when all who waited for it have left. Keys that a provider refuses only together are asked for in halves, so that
 * one of them cannot spoil the others' answer.
 */
export const createGatherer = <Value>({
  upstream,
  operation,
  maxBatch,
  ask,
  onAnswer,
  takeTurn,
  whyInLine,
  gatherMs = 5,
  stamp,
}: GathererOptions<Value>): Gatherer<Value> => {
  const flights = new Map<string, Flight<Value>>();
  let gathering: Batch<Value> | undefined;
  let running = 0;
  let timer: NodeJS.Timeout | NodeJS.Immediate | undefined;

  const cancelTimer = () => {
    clearTimeout(timer as NodeJS.Timeout);
    clearImmediate(timer as NodeJS.Immediate);
    timer = undefined;
  };

  const drop = (key: string, flight: Flight<Value>) => {
    if (flights.get(key) === flight) flights.delete(key);
  };

  const settle = (
    batch: Batch<Value>,
    keys: readonly string[],
    answer: BatchAnswer<Value> | Error,
    askedAt: number,
  ) => {
    const told = new Map<string, Told<Value>>();
    const landed: [key: string, flight: Flight<Value>][] = [];
    for (const key of keys) {
      const flight = batch.flights.get(key);
      if (!flight) continue;
      landed.push([key, flight]);
      batch.flights.delete(key);
      const value = answer instanceof Error ? answer : (answer.get(key) ?? null);
      if (!(value instanceof Error)) told.set(key, { value, askedAt });
      flight.answer.resolve(told.get(key) ?? (value as Error));
    }
    const dropAll = () => {
      for (const [key, flight] of landed) drop(key, flight);
    };
    // Who looked for it in the cache just before it was there finds it here, and does not ask again.
    if (onAnswer && told.size > 0) void onAnswer(told).then(dropAll, dropAll);
    else dropAll();
  };

  const optionsOf = ({ controller, standing, ledgers }: Batch<Value>): CallOptions => ({
    signal: controller.signal,
    standing,
    ledgers,
  });

  /** Asks in halves what is refused as a whole. `left` bounds how many more calls that may cost. */
  const askFor = async (
    batch: Batch<Value>,
    keys: readonly string[],
    left: { calls: number },
    turn?: Turn,
  ): Promise<void> => {
    const askedAt = stamp();
    try {
      settle(batch, keys, await ask(keys, { ...optionsOf(batch), turn }), askedAt);
    } catch (cause) {
      if (isUpstreamError(cause, 'UPSTREAM_REJECTED') && keys.length > 1 && left.calls >= 2) {
        left.calls -= 2;
        const halves = chunksOf(keys, Math.ceil(keys.length / 2));
        await Promise.all(halves.map((half) => askFor(batch, half, left)));
        return;
      }
      settle(batch, keys, cause instanceof Error ? cause : new Error('A call failed.', { cause }), askedAt);
    }
  };

  /** No more keys are added to it. */
  const close = (batch: Batch<Value>): readonly string[] => {
    if (gathering === batch) {
      cancelTimer();
      gathering = undefined;
    }
    batch.askedAt = stamp();
    return [...batch.flights.keys()];
  };

  const send = async (batch: Batch<Value>): Promise<void> => {
    let turn: Turn | undefined;
    try {
      // A call that carries one key has nothing to gather, and may be of another operation.
      if (maxBatch > 1) turn = await takeTurn(optionsOf(batch));
      const keys = close(batch);
      // Everybody left in the moment that its turn came.
      if (keys.length === 0) return;
      // Enough to find two bad keys in a full batch.
      await askFor(batch, keys, { calls: 4 * Math.ceil(Math.log2(keys.length + 1)) }, turn);
    } catch (cause) {
      settle(batch, close(batch), cause instanceof Error ? cause : new Error('A call failed.', { cause }), stamp());
    } finally {
      turn?.end(false);
    }
  };

  const dispatch = (batch: Batch<Value>) => {
    if (batch.isInLine) return;
    batch.isInLine = true;
    if (gathering === batch) cancelTimer();
    running += 1;
    void send(batch).finally(() => {
      running -= 1;
      if (running === 0 && gathering) dispatch(gathering);
    });
  };

  const add = (key: string, call: CallOptions): Flight<Value> => {
    if (!gathering) {
      const { deadlineAt = ENDLESS, isBackground = false, flow = {} } = call.standing ?? {};
      const batch: Batch<Value> = {
        flights: new Map(),
        controller: new AbortController(),
        standing: { deadlineAt, isBackground, flow },
        ledgers: new Set(),
        isInLine: false,
        askedAt: undefined,
        waiters: 0,
      };
      gathering = batch;
      if (maxBatch > 1) {
        timer = running > 0 ? setTimeout(dispatch, gatherMs, batch) : setImmediate(dispatch, batch);
      }
    }
    const batch = gathering;
    const flight: Flight<Value> = { batch, answer: Promise.withResolvers(), waiters: 0 };
    batch.flights.set(key, flight);
    flights.set(key, flight);
    return flight;
  };

  const join = (flight: Flight<Value>, { standing, ledgers }: CallOptions) => {
    const { batch } = flight;
    flight.waiters += 1;
    batch.waiters += 1;
    batch.standing.deadlineAt = Math.max(batch.standing.deadlineAt, standing?.deadlineAt ?? ENDLESS);
    batch.standing.isBackground &&= standing?.isBackground ?? false;
    if (ledgers) for (const ledger of ledgers) batch.ledgers.add(ledger);
  };

  const leave = (key: string, flight: Flight<Value>) => {
    const { batch } = flight;
    flight.waiters -= 1;
    batch.waiters -= 1;
    if (flight.waiters === 0 && batch.askedAt === undefined) {
      batch.flights.delete(key);
      drop(key, flight);
    }
    if (batch.waiters > 0 || (batch.flights.size === 0 && batch.askedAt !== undefined)) return;
    // Nobody may join what is being given up.
    for (const [left, one] of batch.flights) drop(left, one);
    if (gathering === batch) {
      cancelTimer();
      gathering = undefined;
    }
    batch.controller.abort();
  };

  const isOldFor = ({ batch }: Flight<Value>, { notBefore = 0 }: CallOptions) =>
    batch.askedAt !== undefined && batch.askedAt <= notBefore;

  return {
    load: async (keys, call) => {
      const joined = keys.map((key) => {
        const known = flights.get(key);
        const flight = known && !isOldFor(known, call) ? known : add(key, call);
        join(flight, call);
        if (gathering && gathering.flights.size >= maxBatch) {
          const full = gathering;
          gathering = undefined;
          cancelTimer();
          dispatch(full);
        }
        return flight;
      });
      try {
        const answers = Promise.all(joined.map(({ answer }) => answer.promise));
        return await untilAborted(answers, { upstream, operation, signal: call.signal });
      } catch (error) {
        const isInLine = joined.some(({ batch }) => batch.isInLine && batch.askedAt === undefined);
        throw (isInLine && isUpstreamError(error, 'UPSTREAM_TIMEOUT') && whyInLine()) || error;
      } finally {
        for (const [index, flight] of joined.entries()) leave(keys[index] ?? '', flight);
      }
    },
    forget: (isMeant) => {
      for (const [key, flight] of flights) {
        if (isMeant(key) && flight.batch.askedAt !== undefined) drop(key, flight);
      }
    },
  };
};

/** How far stamps may be ahead of their clock, in milliseconds, before they follow it back. */
const MAX_LEAD_MS = 1_000;

/**
 * A clock whose moments are all different and grow, in milliseconds, so that of a change and a question of the same
 * millisecond it is known which came first. Only where `now` is set back do the moments go back with it: they would
 * otherwise stand still until it has caught up.
 */
export const createStamps = (now: () => number): (() => number) => {
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    const at = now();
    last = last > at + MAX_LEAD_MS ? at : Math.max(at, last + 0.001);
    return last;
  };
};

/** An answer with one key left out of it that was asked for by itself. */
export const onlyOf = <Value>(key: string, value: Value | null): Map<string, Value> =>
  new Map(value === null ? [] : [[key, value]]);
