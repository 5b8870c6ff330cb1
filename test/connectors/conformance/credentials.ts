import { type ExecutionResult, graphql } from 'graphql';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { isUpstreamError } from '../../../connectors/errors.ts';
import { createInfrastructure } from '../../../connectors/infrastructure.ts';
import { detailsOf } from '../../../connectors/settings.ts';
import type { Sandbox } from '../../../sandbox/server.ts';
import { subgraphs } from '../../../subgraphs/index.ts';
import { UNRESTRICTED } from '../../../subgraphs/kit/identity.ts';
import type { Subgraph } from '../../../subgraphs/kit/subgraph.ts';
import { resetClock, stopClock } from '../../helpers/clock.ts';
import { sandboxEnvironment, sandboxes, startSandbox } from '../../helpers/sandboxes.ts';
import type { Harness } from './harness.ts';

const MIB = 1024 * 1024;

/** Keeps everything apart that belongs to one credential. */
export const credentials = ({ of, one, two, three }: Harness): void => {
  const module = subgraphs.find(({ provider }) => provider.name === of.provider);
  if (!module) throw new Error(`No subgraph has the provider ${of.provider}.`);
  const settings = Object.values<z.ZodType>(module.provider.settings).map(detailsOf);
  const hasCredential = settings.some(({ isCredential, isAddress }) => isCredential && !isAddress);

  describe.runIf(hasCredential)('credentials', () => {
    const { otherCredential } = sandboxes.get(of.provider) ?? {};
    if (!otherCredential) throw new Error(`The sandbox of ${of.provider} exports no otherCredential.`);
    let sandbox: Sandbox;
    let subgraph: Subgraph;
    const start = (limits = { calls: 100_000, seconds: 1 }) => {
      subgraph = module.create(
        {
          ...sandboxEnvironment(of.provider, sandbox),
          [of.quota.variable]: of.quota.value.replaceAll('N', `${limits.calls}`).replaceAll('S', `${limits.seconds}`),
          [of.cache.variable]: `${of.cache.type}=600`,
        },
        createInfrastructure({ cacheBytes: 16 * MIB }),
      );
    };
    beforeEach(async () => {
      sandbox = await startSandbox(of.provider);
    });
    afterEach(async () => {
      resetClock();
      await subgraph.close();
      await sandbox.close();
    });

    const ask = (keys: readonly string[], credential?: Readonly<Record<string, string>>): Promise<ExecutionResult> => {
      const options = {
        priority: { deadlineAt: performance.now() + 60_000, isBackground: false, flow: {} },
        ...(credential && { credentials: new Map([[of.provider, credential]]) }),
      };
      const context = subgraph.createContext(options, UNRESTRICTED);
      const source = `{ ${keys.map((key, index) => `a${index}: ${of.read(key)}`).join(' ')} }`;
      return Promise.resolve(graphql({ schema: subgraph.schema, source, contextValue: { ...context, stale: [] } }));
    };
    /** Reads keys with the configured credential. */
    const askAsFirst = (...keys: string[]) => ask(keys);
    /** Reads keys with the sandbox's other credential. */
    const askAsSecond = (...keys: string[]) => ask(keys, otherCredential);
    const callsOf = (operation: string | undefined) => sandbox.calls.filter((call) => call.operation === operation);
    const reads = () => callsOf(of.readOperation);

    test('given a credential that the provider rejects, then only its own requests fail', async () => {
      start();
      const wrong = Object.fromEntries(Object.entries(otherCredential).map(([name, value]) => [name, `${value}x`]));
      expect(codeOf(await askAsFirst(one))).toBeUndefined();
      expect(codeOf(await ask([one], wrong))).toBe('UPSTREAM_UNAUTHORIZED');
      expect(codeOf(await askAsFirst(one, two))).toBeUndefined();
    });

    test('given one has read a key, then the other reads it from the provider', async () => {
      start();
      const first = await askAsFirst(one);
      expect(await askAsSecond(one)).toEqual(first);
      expect(reads()).toHaveLength(2);
      await Promise.all([askAsFirst(one), askAsSecond(one)]);
      expect(reads()).toHaveLength(2);
    });

    test('given both read at once, then no request serves both', async () => {
      start();
      await Promise.all([askAsFirst(one), askAsSecond(one)]);
      expect(reads()).toHaveLength(2);
      await Promise.all([askAsFirst(two), askAsSecond(three)]);
      expect(reads()).toHaveLength(4);
    });

    test('given one has spent its rate limit, then the other has its own', async () => {
      start({ calls: 2, seconds: 600 });
      for (const key of [one, two]) expect(codeOf(await askAsFirst(key))).toBeUndefined();
      expect(codeOf(await askAsFirst(three))).toBe('UPSTREAM_RATE_LIMITED');
      for (const key of [three, one]) expect(codeOf(await askAsSecond(key))).toBeUndefined();
    });

    test('given one’s circuit is open, then the other’s is closed', async () => {
      start();
      await askAsFirst(one);
      // The circuit stays open, however long the test takes.
      stopClock();
      sandbox.fail({ on: of.readOperation, status: 500 });
      for (const key of of.keys.slice(3, 8)) await askAsFirst(key);
      sandbox.reset();
      expect(codeOf(await askAsFirst(two))).toBe('UPSTREAM_UNAVAILABLE');
      expect(reads()).toHaveLength(0);
      expect(codeOf(await askAsSecond(two))).toBeUndefined();
    });

    test.runIf(of.loginOperation)('given one has a session, then the other opens its own', async () => {
      start();
      for (const key of [one, two]) await askAsFirst(key);
      expect(callsOf(of.loginOperation)).toHaveLength(1);
      for (const key of [three, one]) await askAsSecond(key);
      expect(callsOf(of.loginOperation)).toHaveLength(2);
    });
  });
};

/** Returns the code of the first error; undefined if there is none. */
const codeOf = ({ errors: [error] = [] }: ExecutionResult): unknown => {
  if (!error) return undefined;
  return isUpstreamError(error.originalError) ? error.originalError.code : error;
};
