import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/*
 * A server in the place of subgraphs. It computes each response once and repeats it, so that the subgraphs' own cost does not
 * distort the measurement; it counts requests, and responds as late as it is told.
 */

/** `GET` returns `ReplayCounts`. */
export const COUNTS_PATH = '/-/counts';
/** `POST` sets the response times, in milliseconds separated by commas. They are used in turn. */
export const LATENCIES_PATH = '/-/latencies';

export type ReplayCounts = {
  readonly requests: number;
  /** Requests without the client's identity. */
  readonly anonymous: number;
};

/** Serves at `port`. `answer` computes the response to a body that was sent to a path. */
export const startReplay = (port: number, answer: (path: string, body: string) => Promise<string>): void => {
  const answers = new Map<string, Promise<Buffer>>();
  let latencies = [0];
  let requests = 0;
  let anonymous = 0;

  const respond = async (path: string, body: string): Promise<Buffer> => {
    if (path === COUNTS_PATH) return Buffer.from(JSON.stringify({ requests, anonymous } satisfies ReplayCounts));
    if (path === LATENCIES_PATH) {
      latencies = body.split(',').map(Number);
      return Buffer.from('{}');
    }
    const key = `${path} ${body}`;
    const known = answers.get(key) ?? answer(path, body).then((text) => Buffer.from(text));
    answers.set(key, known);
    const latencyMs = latencies[requests++ % latencies.length] ?? 0;
    if (latencyMs > 0) await delay(latencyMs);
    return known;
  };

  createServer((request, response) => {
    const path = String(request.url);
    if (!path.startsWith('/-/') && !request.headers.authorization) anonymous += 1;
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', async () => {
      const bytes = await respond(path, Buffer.concat(chunks).toString());
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes);
    });
  }).listen(port, '127.0.0.1');
};
