import type { Contract } from '../../contracts/contract.ts';
import { batching } from './batching.ts';
import { breaker } from './breaker.ts';
import { cache } from './cache.ts';
import { costs } from './costs.ts';
import { credentials } from './credentials.ts';
import { createHarness } from './harness.ts';
import { quota } from './quota.ts';
import { retry } from './retry.ts';
import { writes } from './writes.ts';

/** The conformance suite that every connector must pass. */
export const conformance = (contract: Contract): void => {
  const harness = createHarness(contract);
  for (const suite of [batching, retry, writes, breaker, quota, cache, credentials, costs]) suite(harness);
};
