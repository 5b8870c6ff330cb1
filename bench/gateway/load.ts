import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { nextToken } from './tokens.ts';

/* The load generator. Every request has the identity of another client. */

export type Operation = { readonly query: string; readonly variables?: Readonly<Record<string, unknown>> };

export type Load = {
  readonly requests: number;
  /** From the first request to the last response. */
  readonly seconds: number;
  /** Latencies in milliseconds, ascending. With an arrival rate, without those of the lead. */
  readonly latencies: readonly number[];
  /** Milliseconds by which requests were sent late, ascending. Empty without an arrival rate. */
  readonly delays: readonly number[];
  readonly failures: number;
};

// So that a gateway that stops answering ends the run.
const TIMEOUT_MS = 120_000;

const createPool = (url: string, connections: number): Pool =>
  new Pool(url, { connections, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });

/** Sends one operation and returns the response body. */
export const post = async (pool: Pool, operation: Operation): Promise<string> => {
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: '/graphql',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${nextToken()}` },
    body: JSON.stringify(operation),
  });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`${statusCode}: ${text.slice(0, 300)}`);
  return text;
};

/** Sends operations in turn; collects latencies. */
const createClient = (pool: Pool, operations: readonly Operation[]) => {
  const latencies: number[] = [];
  const delays: number[] = [];
  let requests = 0;
  let failures = 0;
  let next = 0;
  const start = performance.now();
  const ascending = (list: number[]) => list.sort((one, other) => one - other);
  return {
    start,
    /** Sends the next operation. Its latency counts from when it was due, and not at all if that was before `from`. */
    send: async (dueAt?: number, from = 0): Promise<void> => {
      const sentAt = performance.now();
      if (dueAt !== undefined && dueAt >= from) delays.push(sentAt - dueAt);
      try {
        await post(pool, operations[next++ % operations.length] as Operation);
        requests += 1;
        if ((dueAt ?? sentAt) >= from) latencies.push(performance.now() - (dueAt ?? sentAt));
      } catch {
        failures += 1;
      }
    },
    end: async (): Promise<Load> => {
      const seconds = (performance.now() - start) / 1_000;
      await pool.close();
      const sorted = { latencies: ascending(latencies), delays: ascending(delays) };
      return { requests, seconds, ...sorted, failures };
    },
  };
};

/** A closed loop: sends operations over `connections` connections, each after the response to the last, for `ms` milliseconds. */
export const loadFor = async (
  url: string,
  operations: readonly Operation[],
  connections: number,
  ms: number,
): Promise<Load> => {
  const client = createClient(createPool(url, connections), operations);
  const keepSending = async (): Promise<void> => {
    while (performance.now() - client.start < ms) await client.send();
  };
  await Promise.all(Array.from({ length: connections }, keepSending));
  return client.end();
};

// Connections are opened meanwhile.
const LEAD_MS = 500;
// More than any gateway may take at once by default.
const MAX_CONNECTIONS = 2_000;

/**
 * An open loop: sends `perSecond` operations a second, evenly spaced, whether or not earlier ones are answered, for half a second
 * and `ms` milliseconds. Latencies count from when a request was due, so a gateway that stalls cannot hide it by delaying requests.
 */
export const loadAtRate = async (
  url: string,
  operations: readonly Operation[],
  perSecond: number,
  ms: number,
): Promise<Load> => {
  const client = createClient(createPool(url, MAX_CONNECTIONS), operations);
  const count = Math.ceil((perSecond * (LEAD_MS + ms)) / 1_000);
  const sent: Promise<void>[] = [];
  while (sent.length < count) {
    const dueAt = client.start + (sent.length * 1_000) / perSecond;
    const early = dueAt - performance.now();
    if (early <= 0) sent.push(client.send(dueAt, client.start + LEAD_MS));
    else await delay(early);
  }
  await Promise.all(sent);
  return client.end();
};
