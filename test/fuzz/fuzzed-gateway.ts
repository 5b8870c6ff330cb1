import { expect, vi } from 'vitest';
import { z } from 'zod';
import { PUBLIC_ERROR_CODES } from '../../gateway/http/apollo.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';

/** Timeout of a response, in milliseconds. */
const TIMEOUT_MS = 60_000;

const Answer = z.object({
  data: z.unknown().optional(),
  errors: z
    .array(z.looseObject({ message: z.string(), extensions: z.looseObject({ code: z.string() }) }))
    .min(1)
    .optional(),
});

/** Returns what is wrong with a response to a client; undefined if nothing is. */
export const faultOf = (text: string, mayFail = true): string | undefined => {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return `not JSON: ${text.slice(0, 100)}`;
  }
  const { data: answer, error } = Answer.safeParse(json);
  if (!answer) return `unexpected format: ${z.prettifyError(error)}`;
  if (answer.data === undefined && !answer.errors) return `neither data nor errors: ${text.slice(0, 100)}`;
  for (const { message, extensions } of answer.errors ?? []) {
    // A subgraph's own codes are passed on; an error without one is an internal error of that subgraph.
    if (extensions['serviceName'] !== undefined) continue;
    if (!PUBLIC_ERROR_CODES.has(extensions.code)) return `no public code: ${extensions.code}`;
    if (extensions.code === 'INTERNAL_SERVER_ERROR') return `INTERNAL_SERVER_ERROR: ${message}`;
  }
  return answer.errors && !mayFail ? `failed: ${text.slice(0, 200)}` : undefined;
};

/** A gateway in a separate process, which is restarted after each crash, so that every crash is reported. */
export type FuzzedGateway = {
  readonly url: () => string;
  /** Sends a POST to the graph and returns the response body. Throws if there is no response. */
  readonly post: (body: string | Uint8Array<ArrayBuffer>, headers?: Record<string, string>) => Promise<string>;
  readonly ask: (query: string) => Promise<string>;
  /** Runs `work` and returns what went wrong with it or with the process, if anything. */
  readonly judge: (work: () => Promise<string | undefined>) => Promise<string | undefined>;
  readonly close: () => Promise<void>;
};

export const startFuzzedGateway = async (env: Record<string, string>): Promise<FuzzedGateway> => {
  let process: Spawned;
  let url = '';
  let hasEnded = false;
  const start = async () => {
    hasEnded = false;
    const started = startProcess(['node', 'gateway/main.ts'], { PORT: '0', LOG_LEVEL: 'silent', ...env });
    process = started;
    void started.ended.then(() => {
      hasEnded = true;
    });
    await vi.waitFor(() => expect(started.output()).toMatch(/answers at \S+\/graphql/), 120_000);
    url = /answers at (\S+)\/graphql/.exec(started.output())?.[1] ?? '';
  };
  await start();

  const post: FuzzedGateway['post'] = async (body, headers = {}) => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return response.text();
  };

  return {
    url: () => url,
    post,
    ask: (query) => post(JSON.stringify({ query })),
    judge: async (work) => {
      let fault: string | undefined;
      try {
        fault = await work();
      } catch (error) {
        fault = `no response: ${error}`;
      }
      // Detecting a crash takes a moment.
      await fetch(`${url}/health/live`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
        .then((response) => response.arrayBuffer())
        .catch(async (error: unknown) => {
          await Promise.race([process.ended, new Promise((resolve) => setTimeout(resolve, 2_000))]);
          fault = hasEnded ? `the process ended: ${process.output().slice(-600)}` : `the process hangs: ${error}`;
          process.process.kill('SIGKILL');
          await process.ended;
          await start();
        });
      return fault;
    },
    close: () => process.stop(),
  };
};
