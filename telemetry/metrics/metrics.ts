import type { Telemetry } from '../telemetry.ts';
import { mergeGauges, toGauges } from './gauges.ts';
import { recordEvents, startSeriesOf, startSeriesOfBroker } from './listen.ts';
import { createRegistry } from './registry.ts';
import type { Snapshot } from './snapshot.ts';

/** The metrics of a process. */
export type Metrics = {
  readonly read: () => Snapshot;
  /** As `read`, but with only what was recorded since the last call. Use one of them, not both. */
  readonly take: () => Snapshot;
  readonly close: () => void;
};

/** Records a process's events as metrics, and reads its state when they are read. */
export const createMetrics = (telemetry: Telemetry): Metrics => {
  const registry = createRegistry();
  const stop = recordEvents(telemetry, registry);
  const cpuTime = registry.counter('process.cpu.time');
  let cpuS = 0;
  const readGauges = () => {
    const state = telemetry.state();
    for (const { subgraph } of state.providers) startSeriesOf(subgraph, registry);
    if (state.inbox) registry.counter('tributary.inbox.failures').add(0);
    if (state.broker) startSeriesOfBroker(registry);
    if (state.node) {
      cpuTime.add(Math.max(0, state.node.cpuS - cpuS));
      cpuS = state.node.cpuS;
    }
    return mergeGauges([toGauges(state)]);
  };
  return {
    read: () => {
      const gauges = readGauges();
      return { ...registry.read(), gauges };
    },
    take: () => {
      const gauges = readGauges();
      return { ...registry.take(), gauges };
    },
    close: stop,
  };
};
