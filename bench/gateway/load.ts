import { Pool } from 'undici';

export type Question = { readonly query: string; readonly variables?: Readonly<Record<string, unknown>> };

export type Load = {
  readonly requests: number;
  readonly seconds: number;
  /** How long each answer took, in milliseconds, the quickest first. */
  readonly latencies: readonly number[];
  readonly failures: number;
};

let callers = 0;

/** One request, as a client who is somebody else each time; gives the answer as text. */
export const ask = async (pool: Pool, question: Question): Promise<string> => {
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: '/graphql',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${callers++}` },
    body: JSON.stringify(question),
  });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`${statusCode}: ${text.slice(0, 300)}`);
  return text;
};

/** Keeps a number of connections busy for a time, with one question after the other. */
export const loadFor = async (
  url: string,
  questions: readonly Question[],
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
        await ask(pool, questions[next++ % questions.length] as Question);
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
