import { createComparison, firstResponse, type Gateway, startGateway, stopGateway } from './gateways.ts';
import { type Load, loadAtRate, loadFor, type Operation } from './load.ts';
import { measure } from './measures.ts';
import type { Run } from './names.ts';
import { medianOf, type Row, type Sample } from './result.ts';
import type { Workload } from './workloads.ts';

/*
 * The load on the gateways. They take turns in rounds, each going first as often as last, because others may use the machine too
 * and its speed changes.
 */

export type RunSettings = {
  readonly rounds: number;
  readonly roundMs: number;
  /** Connections of a closed loop. */
  readonly connections: readonly number[];
  /** Shares of the gateway's core that a fixed arrival rate keeps busy, in percent. */
  readonly loads: readonly number[];
  /** Response times of the subgraphs in milliseconds; several of one setting are used in turn. */
  readonly latencies: readonly (readonly number[])[];
};

/** The workload, with the gateways in front of it. */
export type Session = Workload & { readonly gateways: readonly Gateway[]; readonly settings: RunSettings };

/** Starts a workload's gateways, and compares their responses to all its operations. */
export const openSession = async (
  workload: Workload,
  ports: readonly number[],
  settings: RunSettings,
): Promise<Session> => {
  const gateways: Gateway[] = [];
  const comparison = createComparison();
  for (const [index, candidate] of workload.candidates.entries()) {
    const gateway = startGateway(candidate, ports[index] as number);
    gateways.push(gateway);
    const { anonymous } = await workload.backend.counts();
    for (const operation of workload.operations) {
      comparison.check(gateway, operation, (await firstResponse(gateway, operation)).response);
    }
    // Otherwise it could share responses between clients, or save the work.
    if ((await workload.backend.counts()).anonymous > anonymous)
      throw new Error(`${candidate.name} does not send the client's Authorization header to the subgraphs.`);
  }
  return { ...workload, gateways, settings };
};

/** Stops the gateways and what is behind them. */
export const closeSession = async ({ gateways, stop }: Session): Promise<void> => {
  for (const gateway of gateways) await stopGateway(gateway);
  stop();
};

const pidsOf = ({ besides }: Session, { pid, candidate }: Gateway): readonly number[] =>
  candidate.isAlone ? [pid] : [pid, ...besides];

/** Measures a gateway under a load. */
export const measureGateway = async (
  session: Session,
  gateway: Gateway,
  load: () => Promise<Load>,
): Promise<Sample> => {
  const { fetches, ...sample } = await measure(pidsOf(session, gateway), session.backend, load);
  // Fetches within a process are not counted.
  return { ...sample, ...(fetches !== undefined && !gateway.candidate.isAlone && { fetches }) };
};

/** Measures all gateways in alternating rounds. The first round is the warm-up. Returns the others, by gateway. */
export const alternate = async (
  gateways: readonly Gateway[],
  rounds: number,
  one: (gateway: Gateway) => Promise<Sample>,
): Promise<ReadonlyMap<string, readonly Sample[]>> => {
  const samples = new Map<string, Sample[]>(gateways.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round += 1) {
    for (const gateway of round % 2 === 0 ? gateways : gateways.toReversed()) {
      const sample = await one(gateway);
      if (round >= 0) samples.get(gateway.name)?.push(sample);
    }
  }
  return samples;
};

const toRows = (
  run: Run,
  { name: workload }: Workload,
  at: string,
  samples: ReadonlyMap<string, readonly Sample[]>,
): readonly Row[] => [...samples].map(([gateway, list]) => ({ run, workload, gateway, at, samples: list }));

/** Starts each gateway in every round, and measures the time to its first response. */
export const runStarts = async (
  workload: Workload,
  ports: readonly number[],
  { rounds }: RunSettings,
): Promise<readonly Row[]> => {
  const operation = workload.operations[0] as Operation;
  const comparison = createComparison();
  const rows = workload.candidates.map(({ name }) => ({ gateway: name, samples: [] as Sample[] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, candidate] of workload.candidates.entries()) {
      const gateway = startGateway(candidate, ports[index] as number);
      const { response, ms } = await firstResponse(gateway, operation);
      const kilobytes = comparison.check(gateway, operation, response);
      rows[index]?.samples.push({ first: ms, kilobytes });
      await stopGateway(gateway);
    }
  }
  return rows.map((row) => ({ run: 'start', workload: workload.name, at: '', ...row }));
};

// Gateways' own timeouts of requests are about as long, and the run would take too long.
const LONGEST_WAIT_S = 20;

const runClosed = async (run: Run, session: Session): Promise<readonly Row[]> => {
  const { gateways, operations, settings } = session;
  const rows: Row[] = [];
  const isTooSlow = ({ name }: Gateway, connections: number): boolean => {
    const known = rows.findLast(({ gateway }) => gateway === name);
    return known !== undefined && connections / (medianOf(known, 'perSecond') ?? 0) > LONGEST_WAIT_S;
  };
  for (const connections of settings.connections) {
    const able = gateways.filter((gateway) => !isTooSlow(gateway, connections));
    const samples = await alternate(able, settings.rounds, (gateway) =>
      measureGateway(session, gateway, () => loadFor(gateway.url, operations, connections, settings.roundMs)),
    );
    rows.push(...toRows(run, session, `${connections} connections`, samples));
  }
  return rows;
};

/** A closed loop at each number of connections. Skips gateways that would take more than `LONGEST_WAIT_S` for one of each. */
export const runSaturated = (session: Session): Promise<readonly Row[]> => runClosed('saturated', session);

/** A closed loop at the first number of connections. */
export const runProvider = (session: Session): Promise<readonly Row[]> => {
  const { settings } = session;
  return runClosed('provider', {
    ...session,
    settings: { ...settings, connections: settings.connections.slice(0, 1) },
  });
};

/**
 * Returns the rate that would keep each gateway's core busy, from its CPU time a request under load. Unlike the highest measured
 * rate, it does not depend on what else the machine does.
 */
const fullRates = async (session: Session): Promise<ReadonlyMap<string, number>> => {
  const { gateways, operations, settings } = session;
  const rates = new Map<string, number>();
  for (const gateway of gateways) {
    const load = () => loadFor(gateway.url, operations, settings.connections[0] ?? 50, settings.roundMs);
    await load();
    const { cpu = Number.NaN } = await measureGateway(session, gateway, load);
    rates.set(gateway.name, 1_000 / cpu);
  }
  return rates;
};

const atLoad = (session: Session, rates: ReadonlyMap<string, number>, percent: number) => (gateway: Gateway) => {
  const perSecond = ((rates.get(gateway.name) ?? Number.NaN) * percent) / 100;
  const { operations, settings } = session;
  return measureGateway(session, gateway, () => loadAtRate(gateway.url, operations, perSecond, settings.roundMs));
};

/** An open loop at each load. */
export const runHalf = async (session: Session): Promise<readonly Row[]> => {
  const { gateways, settings } = session;
  const rates = await fullRates(session);
  const rows: Row[] = [];
  for (const percent of settings.loads) {
    const samples = await alternate(gateways, settings.rounds, atLoad(session, rates, percent));
    rows.push(...toRows('half', session, `${percent} %`, samples));
  }
  return rows;
};

/** An open loop at half load, with subgraphs that take their time. */
export const runLatency = async (session: Session): Promise<readonly Row[]> => {
  const { settings, backend } = session;
  const gateways = session.gateways.filter(({ candidate }) => !candidate.isAlone);
  const rates = await fullRates({ ...session, gateways });
  const rows: Row[] = [];
  for (const latencies of settings.latencies) {
    await backend.setLatencies(latencies);
    const samples = await alternate(gateways, settings.rounds, atLoad(session, rates, 50));
    rows.push(...toRows('latency', session, `${latencies.join(', ')} ms`, samples));
  }
  await backend.setLatencies([0]);
  return rows;
};
