import type { Backend } from './backend.ts';
import type { Load } from './load.ts';
import { cpuMs, memoryMib } from './processes.ts';
import type { Sample } from './result.ts';
import { quantile } from './statistics.ts';

/* What is measured of a gateway under load. */

const ownCpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

/** Measures processes while a load runs. `pids` are those whose CPU and memory count. */
export const measure = async (
  pids: readonly number[],
  backend: Backend,
  load: () => Promise<Load>,
): Promise<Sample> => {
  const cpuOf = (): number => pids.reduce((sum, pid) => sum + cpuMs(pid), 0);
  const before = { counts: await backend.counts(), cpu: cpuOf(), other: ownCpuMs() + cpuMs(backend.pid) };
  const { requests, seconds, latencies, delays, failures } = await load();
  const cpu = cpuOf() - before.cpu;
  const other = ownCpuMs() + cpuMs(backend.pid) - before.other;
  const memory = pids.reduce((sum, pid) => sum + memoryMib(pid), 0);
  const counts = await backend.counts();
  return {
    perSecond: requests / seconds,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    cpu: cpu / (requests + failures),
    memory,
    [backend.counted]: (counts.requests - before.counts.requests) / (requests + failures),
    ...(failures > 0 && { failed: (failures / (requests + failures)) * 100 }),
    itsCore: cpu / 10 / seconds,
    otherCore: other / 10 / seconds,
    ...(delays.length > 0 && { late: quantile(delays, 0.99) }),
  };
};
