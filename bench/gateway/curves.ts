import { createComparison, firstResponse, type Gateway } from './gateways.ts';
import { growthOperation } from './growth.ts';
import { loadFor, type Operation } from './load.ts';
import { AXES, type Axis, FACTORS } from './names.ts';
import { cpuMs } from './processes.ts';
import type { Row, Sample } from './result.ts';
import { alternate, measureGateway, type Session } from './runs.ts';

/* How the cost of a query grows with its answer, its depth, its subgraphs and its entities. */

// Few, so that each response has finished before the memory of many is in use: growth is measured, not saturation.
const CONNECTIONS = 8;

// Has all the fields, but is none of the operations that are measured.
const WARM_UP: Operation = { query: growthOperation('subgraphs', 10).query.replace('Growth', 'WarmUp') };

const measureOperation = async (session: Session, operation: Operation): Promise<ReadonlyMap<string, Sample[]>> => {
  const { gateways, settings } = session;
  const comparison = createComparison();
  const firsts = new Map<string, Sample>();
  for (const gateway of gateways) {
    const before = cpuMs(gateway.pid);
    const { response } = await firstResponse(gateway, operation);
    const firstCpu = cpuMs(gateway.pid) - before;
    firsts.set(gateway.name, { firstCpu, kilobytes: comparison.check(gateway, operation, response) });
  }
  const load = (gateway: Gateway) => () => loadFor(gateway.url, [operation], CONNECTIONS, settings.roundMs / 2);
  const samples = await alternate(gateways, settings.rounds, (gateway) =>
    measureGateway(session, gateway, load(gateway)),
  );
  return new Map([...samples].map(([name, list]) => [name, list.map((one) => ({ ...one, ...firsts.get(name) }))]));
};

/** So that the first sizes are not measured while the code is still being compiled. */
const warmUp = async ({ gateways, settings }: Session): Promise<void> => {
  for (const { url } of gateways) await loadFor(url, [WARM_UP], CONNECTIONS, settings.roundMs * 2);
};

/** Measures each size on each axis; `at` is e.g. `depth 4`. */
export const runGrowth = async (session: Session): Promise<readonly Row[]> => {
  // The smallest query is the same on all axes.
  const measured = new Map<string, ReadonlyMap<string, Sample[]>>();
  await warmUp(session);
  const rows: Row[] = [];
  for (const axis of Object.keys(AXES) as Axis[]) {
    for (const factor of FACTORS) {
      const operation = growthOperation(axis, factor);
      const samples = measured.get(operation.query) ?? (await measureOperation(session, operation));
      measured.set(operation.query, samples);
      for (const [gateway, list] of samples)
        rows.push({ run: 'growth', workload: 'growth', gateway, at: `${axis} ${factor}`, samples: list });
    }
  }
  return rows;
};
