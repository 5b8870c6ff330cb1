import { type ChannelListener, subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import type { SandboxCall } from '../../../sandbox/server.ts';
import type { Contract } from '../../contracts/contract.ts';
import { advanceClock, resetClock } from '../../helpers/clock.ts';
import { type Answer, codesOf, type Stack, startStack } from '../../helpers/stack.ts';

/** The functions with which a suite drives and observes a provider. */
export type Harness = ReturnType<typeof createHarness>;

const DAY_MS = 86_400_000;
const REQUEST_START = 'http.server.request.start';

export const createHarness = (of: Contract) => {
  let stack: Stack;
  const ask = (keys: readonly string[], init: Parameters<Stack['ask']>[2] = {}) =>
    stack.ask<Record<string, unknown>>(
      `{ ${keys.map((key, index) => `a${index}: ${of.read(key)}`).join(' ')} }`,
      {},
      init,
    );
  const sandbox = () => stack.sandbox(of.provider);
  const callsOf = (operation: string) => sandbox().calls.filter((call) => call.operation === operation);
  const [one = '', two = '', three = ''] = of.keys;

  return {
    of,
    one,
    two,
    three,
    /** Starts a gateway with this environment for the surrounding tests, and resets state between them. */
    withStack: (env: Record<string, string> = {}): void => {
      beforeAll(async () => {
        advanceClock(0);
        stack = await startStack({ openmage: { sessionLifetimeS: 1e9 }, env });
        // Reads the shop's WSDL and opens a session.
        await ask([of.absentKey]);
      });
      afterAll(async () => {
        await stack.close();
        resetClock();
      });
      beforeEach(async () => {
        stack.reset();
        // Expires caches, open circuits and rate-limit pauses of the previous test.
        advanceClock(2 * DAY_MS);
        await ask([of.keys.at(-1) ?? '']);
        stack.reset();
        advanceClock(2 * DAY_MS);
      });
    },
    /** Reads these keys in one query, as `a0`, `a1` and so on. */
    ask,
    write: (round: number, init: Parameters<Stack['ask']>[2] = {}) =>
      stack.ask(`mutation { ${of.write(round).mutation} }`, {}, init),
    sandbox,
    callsOf,
    reads: () => callsOf(of.readOperation),
    /**
     * Runs `work` while responses to reads are held back until `requests` of its client requests have arrived, then calls
     * `whileHeld`.
     */
    holdingReads: async <T>(requests: number, work: () => Promise<T>, whileHeld?: () => void): Promise<T> => {
      const gate = Promise.withResolvers<void>();
      sandbox().fail({ on: of.readOperation, until: gate.promise });
      let started = 0;
      const count = ({ request }: { request: IncomingMessage }) => {
        if (request.url === '/graphql') started += 1;
      };
      // The gateway's server is in this process; so is the sandbox's, on other paths.
      subscribe(REQUEST_START, count as ChannelListener);
      try {
        const done = work();
        await expect.poll(() => started).toBeGreaterThanOrEqual(requests);
        // Handling an arrived request is work of this process, which is done before that of later requests.
        for (let round = 0; round < 10; round += 1) await stack.ask('{ __typename }');
        whileHeld?.();
        gate.resolve();
        return await done;
      } finally {
        gate.resolve();
        unsubscribe(REQUEST_START, count as ChannelListener);
      }
    },
    /** Injects a fault into reads, or into the operation `on`. */
    fail: (fault: Parameters<Stack['stripe']['fail']>[0]) => sandbox().fail({ on: of.readOperation, ...fault }),
    reset: () => stack.reset(),
  };
};

export const codeOf = (answer: Answer<unknown>): unknown => codesOf(answer.errors)?.[0]?.[0];

type Report = { readonly stale?: readonly object[]; readonly calls?: readonly Record<string, unknown>[] };

export const reportOf = ({ text }: Answer<unknown>): Report | undefined =>
  (JSON.parse(text) as { extensions?: { tributary?: Report } }).extensions?.tributary;

/** Returns the maximum number of calls in any window of this many milliseconds. */
export const busiest = (calls: readonly Pick<SandboxCall, 'at'>[], windowMs: number): number =>
  Math.max(0, ...calls.map(({ at }) => calls.filter((other) => other.at >= at && other.at < at + windowMs).length));
