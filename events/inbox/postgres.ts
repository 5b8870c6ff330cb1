import { setTimeout as pause } from 'node:timers/promises';
import postgres from 'postgres';
import { ConfigError } from '../../runtime/env.ts';
import type { EventStore } from '../poller/poll-store.ts';
import { createPostgresPolls } from '../poller/postgres-polls.ts';
import { createPostgresLeases } from './postgres-leases.ts';
import { type Client, createTables, LOCK } from './postgres-tables.ts';
import { transact } from './postgres-transaction.ts';
import {
  byVersion,
  type Effect,
  type InboxStore,
  type ListedEvent,
  type NewEvent,
  orderOf,
  type StoredEvent,
} from './store.ts';

/** The consumer whose cursor is the last sequence that was used. Not the highest that is stored: old events are forgotten. */
const LAST = '';

/** The consumer whose cursor is the highest sequence that has been forgotten. */
const FORGOTTEN = ' forgotten';

/** Timeout of a call of the store, in milliseconds. A database that is out of reach may never answer. */
const TIMEOUT_MS = 10_000;

/**
 * Time after which the database ends a transaction of a process that does not go on with it, in milliseconds. One that is frozen or
 * out of reach would hold the lock, and no other could apply events.
 */
const IDLE_MS = 5_000;

/** Rows in one statement, which has at most 65,535 parameters. */
const MAX_ROWS = 1_000;

/** Approximate size of a row with its indexes, without the payload. The size of the table does not shrink when rows are deleted. */
const ROW_BYTES = 600;

/** Rows that are deleted at once. */
const PRUNE_BATCH = 50_000;

const connect = (url: string): Client =>
  postgres(url, {
    max: 4,
    connect_timeout: 5,
    keep_alive: 10,
    onnotice: () => {},
    connection: {
      application_name: 'tributary',
      statement_timeout: TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_MS,
    },
    // Positions and times are below 2^53.
    types: { int8: { to: 20, from: [20], serialize: String, parse: Number } },
  });

/**
 * Opens the inbox in a Postgres database, which replicas share. Creates its tables, whose names begin with `tributary_`, if they are
 * missing. Throws ConfigError if the database cannot be used.
 */
export const openPostgresStore = async (url: string, variable = 'EVENTS_URL'): Promise<EventStore> => {
  let sql = connect(url);

  /** Runs work on the database, for a bounded time. */
  const run = async <Result>(work: (current: typeof sql) => Promise<Result>): Promise<Result> => {
    const current = sql;
    const timer = new AbortController();
    const running = work(current);
    try {
      return await Promise.race([
        running,
        pause(TIMEOUT_MS, undefined, { signal: timer.signal, ref: false }).then(() => {
          throw new Error('The database does not answer.');
        }),
      ]);
    } catch (error) {
      running.catch(() => {});
      // Connections that are stuck would be used again.
      if (current === sql && !isDatabaseError(error)) {
        sql = connect(url);
        void current.end({ timeout: 0 }).catch(() => {});
      }
      throw error;
    } finally {
      timer.abort();
    }
  };

  try {
    await run(createTables);
  } catch (error) {
    await sql.end({ timeout: 0 });
    throw new ConfigError(`${variable}: the database cannot be used: ${reasonOf(error)}.`, { cause: error });
  }

  const leases = createPostgresLeases(run);

  return {
    ...leases,
    polls: createPostgresPolls(run, insertRows, leases),
    insert: (events) => run((current) => insert(current, events)),
    apply: (options, decide) => run((current) => apply(current, options, decide)),
    effectsAfter: (sequence, limit) =>
      run(
        (current) => current<Effect[]>`
          SELECT provider, id, type, object, version, "receivedAt", position, sequence, "order", changes, messages
          FROM tributary_events WHERE sequence > ${sequence} ORDER BY sequence LIMIT ${limit}`,
      ),
    effectRange: () =>
      run(async (current) => {
        const [row] = await current<{ id: string }[]>`SELECT id FROM tributary_inbox`;
        const last = await readCursor(current, LAST);
        return { storeId: row?.id ?? '', last: last ?? 0, forgotten: (await readCursor(current, FORGOTTEN)) ?? 0 };
      }),
    readCursor: (consumer) => run((current) => readCursor(current, consumer)),
    writeCursor: (consumer, sequence) => run((current) => writeCursor(current, consumer, sequence)),
    list: ({ states, limit }) =>
      run(
        (current) => current<ListedEvent[]>`
          SELECT position, provider, id, type, object, "receivedAt", state, problem FROM tributary_events
          WHERE state IN ${current(states)} ORDER BY position DESC LIMIT ${limit}`,
      ),
    replay: (positions) =>
      run(async (current) => {
        const chosen = positions === 'all' ? current`true` : current`position = ANY(${[...positions]}::int8[])`;
        const { count } = await current`
          UPDATE tributary_events SET state = 'waiting' WHERE state = 'parked' AND ${chosen}`;
        return count;
      }),
    prune: (before) =>
      run(async (current) => {
        const [deleted] = await current<{ count: number }[]>`
          WITH deleted AS (
            DELETE FROM tributary_events WHERE position IN (
              SELECT position FROM tributary_events WHERE state != 'waiting' AND "receivedAt" < ${before} LIMIT ${PRUNE_BATCH}
            ) RETURNING sequence
          ), noted AS (
            INSERT INTO tributary_cursors AS known
            SELECT ${FORGOTTEN}, coalesce(max(sequence), 0) FROM deleted HAVING count(*) > 0
            ON CONFLICT (consumer) DO UPDATE SET sequence = greatest(known.sequence, excluded.sequence)
          )
          SELECT count(*)::int AS count FROM deleted`;
        await current`
          DELETE FROM tributary_objects WHERE (provider, object) IN (
            SELECT provider, object FROM tributary_objects WHERE "receivedAt" < ${before} LIMIT ${PRUNE_BATCH}
          )`;
        return deleted?.count ?? 0;
      }),
    state: () =>
      run(async (current) => {
        const [open] = await current<{ waiting: number; parked: number; oldest: number | null; payloads: number }[]>`
          SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'parked') AS parked,
                 min("receivedAt") FILTER (WHERE state = 'waiting') AS oldest,
                 coalesce(sum(octet_length(payload)), 0)::int8 AS payloads
          FROM tributary_events WHERE state != 'applied'`;
        // Sequences have no gaps, so that the rows need not be counted.
        const [closed] = await current<{ applied: number }[]>`
          SELECT coalesce(max(sequence) - min(sequence) + 1, 0) AS applied FROM tributary_events`;
        const { waiting = 0, parked = 0, oldest = null, payloads = 0 } = open ?? {};
        const rows = waiting + parked + (closed?.applied ?? 0);
        return { waiting, parked, oldestWaitingAt: oldest, bytes: payloads + rows * ROW_BYTES };
      }),
    close: () => sql.end({ timeout: 5 }),
  };
};

const COLUMNS = ['provider', 'id', 'digest', 'type', 'object', 'version', 'receivedAt', 'payload'] as const;

const keyOf = ({ provider, id }: Pick<NewEvent, 'provider' | 'id'>): string => `${provider} ${id}`;

const insert = async (sql: Client, events: readonly NewEvent[]): Promise<boolean[]> => {
  // In the same order everywhere, so that two processes with the same events do not wait for each other.
  const sorted = events.map(toStorable).sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
  const added = await transact(sql, (transaction) => insertRows(transaction as unknown as Client, sorted));
  // The first of several with one id is the new one.
  return events.map((event) => added.delete(keyOf(toStorable(event))));
};

/** Inserts events in a transaction, in this order. Returns the keys of those that are new. */
const insertRows = async (sql: Client, events: readonly NewEvent[]): Promise<Set<string>> => {
  const added = new Set<string>();
  for (let start = 0; start < events.length; start += MAX_ROWS) {
    const rows = await sql<Pick<NewEvent, 'provider' | 'id'>[]>`
      INSERT INTO tributary_events ${sql(events.slice(start, start + MAX_ROWS), ...COLUMNS)}
      ON CONFLICT DO NOTHING RETURNING provider, id`;
    for (const row of rows) added.add(keyOf(row));
  }
  return added;
};

/** Replaces what Postgres cannot store: NUL and halves of surrogate pairs. JSON has them escaped. */
const toStorable = (event: NewEvent): NewEvent => ({
  ...event,
  id: toText(event.id),
  type: toText(event.type),
  object: event.object === null ? null : toText(event.object),
});

const toText = (text: string): string => text.toWellFormed().replaceAll('\0', '\u{fffd}');

const readCursor = async (sql: Client, consumer: string): Promise<number | undefined> => {
  const [row] = await sql<{ sequence: number }[]>`SELECT sequence FROM tributary_cursors WHERE consumer = ${consumer}`;
  return row?.sequence;
};

const writeCursor = async (sql: Client, consumer: string, sequence: number): Promise<void> => {
  await sql`
    INSERT INTO tributary_cursors AS known VALUES (${consumer}, ${sequence})
    ON CONFLICT (consumer) DO UPDATE SET sequence = greatest(known.sequence, excluded.sequence)`;
};

const apply = async (
  sql: Client,
  { providers, limit }: Parameters<InboxStore['apply']>[0],
  decide: Parameters<InboxStore['apply']>[1],
): ReturnType<InboxStore['apply']> => {
  // Without the lock, as usually nothing waits.
  const own = sql`state = 'waiting' AND provider = ANY(${[...providers]}::text[])`;
  const waiting = await sql`SELECT 1 FROM tributary_events WHERE ${own} LIMIT 1`;
  if (waiting.length === 0) return { events: 0, parked: [] };
  return transact(sql, async (transaction) => {
    // Until the end of the transaction: effects are committed in the order of their sequence, so that no reader misses one.
    await transaction`SELECT pg_advisory_xact_lock(${LOCK})`;
    const rows = await transaction<StoredEvent[]>`
      SELECT position, provider, id, digest, type, object, version, "receivedAt", payload
      FROM tributary_events WHERE ${own} ORDER BY position LIMIT ${limit}`;
    const events = [...rows].sort(byVersion);
    const [cursor] = await transaction<{ sequence: number }[]>`
      SELECT sequence FROM tributary_cursors WHERE consumer = ${LAST}`;
    const versioned = events.filter(({ object, version }) => object !== null && version !== null);
    const objects = await transaction<{ provider: string; object: string; version: number }[]>`
      SELECT provider, object, version FROM tributary_objects WHERE (provider, object) IN (
        SELECT * FROM unnest(${versioned.map(({ provider }) => provider)}::text[], ${versioned.map(({ object }) => object)}::text[])
      )`;
    const newest = new Map(objects.map(({ provider, object, version }) => [`${provider} ${object}`, version]));
    const touched = new Map<string, { provider: string; object: string; version: number; receivedAt: number }>();
    const applied: { position: number; sequence: number; order: string; changes: string; messages: string | null }[] =
      [];
    const parked: (StoredEvent & { readonly problem: string })[] = [];
    let sequence = cursor?.sequence ?? 0;
    for (const event of events) {
      const { provider, object, version, position, receivedAt } = event;
      const decision = decide(event);
      if ('problem' in decision) {
        parked.push({ ...event, problem: decision.problem });
        continue;
      }
      const key = `${provider} ${object}`;
      const order = object === null ? 'unknown' : orderOf(version, newest.get(key));
      if (object !== null && version !== null) {
        const latest = Math.max(version, newest.get(key) ?? version);
        newest.set(key, latest);
        touched.set(key, { provider, object, version: latest, receivedAt });
      }
      sequence += 1;
      applied.push({ position, sequence, order, ...decision });
    }
    const values = [...touched.values()];
    await transaction`
      INSERT INTO tributary_objects AS known
      SELECT * FROM unnest(
        ${values.map((one) => one.provider)}::text[], ${values.map((one) => one.object)}::text[],
        ${values.map((one) => one.version)}::float8[], ${values.map((one) => one.receivedAt)}::int8[]
      )
      ON CONFLICT (provider, object) DO UPDATE
      SET version = greatest(known.version, excluded.version), "receivedAt" = excluded."receivedAt"`;
    await transaction`
      UPDATE tributary_events AS event
      SET state = 'applied', sequence = done.sequence, "order" = done."order", changes = done.changes, messages = done.messages,
          payload = NULL, problem = NULL
      FROM unnest(
        ${applied.map((one) => one.position)}::int8[], ${applied.map((one) => one.sequence)}::int8[],
        ${applied.map((one) => one.order)}::text[], ${applied.map((one) => one.changes)}::text[],
        ${applied.map((one) => one.messages)}::text[]
      ) AS done (position, sequence, "order", changes, messages)
      WHERE event.position = done.position`;
    await transaction`
      UPDATE tributary_events AS event SET state = 'parked', problem = failed.problem
      FROM unnest(${parked.map((one) => one.position)}::int8[], ${parked.map((one) => one.problem)}::text[])
        AS failed (position, problem)
      WHERE event.position = failed.position`;
    await transaction`UPDATE tributary_cursors SET sequence = ${sequence} WHERE consumer = ${LAST}`;
    return { events: events.length, parked };
  });
};

/** Whether the database has answered with an error, so that its connection is in order. */
const isDatabaseError = (error: unknown): boolean => error instanceof postgres.PostgresError;

const reasonOf = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  // Messages of the client may have the address in them.
  return isDatabaseError(error) || code === undefined ? message : code;
};
