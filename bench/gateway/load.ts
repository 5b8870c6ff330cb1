import { Pool } from 'undici';
import { nextToken } from './tokens.ts';

export type Operation = { readonly query: string; readonly variables?: Readonly<Record<string, unknown>> };

export type Load = {
  readonly requests: number;
  readonly seconds: number;
  /** Latencies in milliseconds, ascending. */
  readonly latencies: readonly number[];
  readonly failures: number;
};

/** Sends one operation, with a different client identity each time, and returns the response body. */
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

/** Sends operations over `connections` connections for `ms` milliseconds. */
export const loadFor = async (
  url: string,
  operations: readonly Operation[],
  connections: number,
  ms: number,
): Promise<Load> => {
  const pool = new Pool(url, { connections, headersTimeout: 0, bodyTimeout: 0 });
  const latencies: number[] = [];
  let failures = 0;
  let next = 0;
  const start = performance.now();
  const client = async (): Promise<void> => {
    while (performance.now() - start < ms) {
      const sentAt = performance.now();
      try {
        await post(pool, operations[next++ % operations.length] as Operation);
        latencies.push(performance.now() - sentAt);
      } catch {
        failures += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: connections }, client));
  const seconds = (performance.now() - start) / 1000;
  await pool.close();
  latencies.sort((a, b) => a - b);
  return { requests: latencies.length, seconds, latencies, failures };
};
