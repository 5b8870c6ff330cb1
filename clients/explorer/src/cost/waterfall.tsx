import { OperationName } from './operation-name.tsx';
import type { CallSpan, FetchSpan, Timed, Trace } from './report.ts';
import { inMs, many } from './words.ts';

type Row = Timed & {
  readonly kind: 'gateway' | 'fetch' | CallSpan['kind'];
  readonly name: string;
  readonly about: string;
  readonly isFailed: boolean;
  /** The wait for the rate limit that preceded this provider call. */
  readonly wait?: Timed | undefined;
};

/** Returns the fetches in the order they were sent, each followed by its subgraph's provider calls. */
const rowsOf = ({ fetches, calls }: Trace): Row[] => {
  const left = new Map(withWaits(calls));
  const inOrder = [...fetches].sort((a, b) => a.startMs - b.startMs);
  const rows: Row[] = inOrder[0] ? [toPlanningRow(inOrder[0])] : [];
  for (const [index, fetch] of inOrder.entries()) {
    rows.push(toFetchRow(fetch));
    const next = inOrder.slice(index + 1).find(({ subgraph }) => subgraph === fetch.subgraph);
    for (const [call, wait] of left) {
      // A call that started before the subgraph's next fetch belongs to this one.
      if (call.subgraph !== fetch.subgraph || (next && call.startMs >= next.startMs)) continue;
      left.delete(call);
      rows.push(toCallRow(call, wait));
    }
  }
  return [...rows, ...[...left].map(([call, wait]) => toCallRow(call, wait))];
};

/** Returns the calls in the order they were sent, each with its wait. A wait without a call is a row of its own. */
const withWaits = (spans: readonly CallSpan[]): [CallSpan, Timed | undefined][] => {
  const inOrder = [...spans].sort((a, b) => a.startMs - b.startMs);
  const waits = new Set(inOrder.filter(({ kind }) => kind === 'wait'));
  const calls = inOrder.filter(({ kind }) => kind === 'call');
  const rows = calls.map((call): [CallSpan, Timed | undefined] => {
    const wait = [...waits].find(
      ({ operation, subgraph, startMs }) =>
        operation === call.operation && subgraph === call.subgraph && startMs <= call.startMs,
    );
    if (wait) waits.delete(wait);
    return [call, wait];
  });
  const alone = [...waits].map((wait): [CallSpan, Timed | undefined] => [wait, undefined]);
  return [...rows, ...alone].sort(([a], [b]) => a.startMs - b.startMs);
};

/** Creates the row of the time before the first fetch. It is longer for a new operation, which has to be planned. */
const toPlanningRow = ({ startMs }: FetchSpan): Row => ({
  kind: 'gateway',
  name: 'gateway',
  about: 'parses and plans',
  startMs: 0,
  timeMs: startMs,
  isFailed: false,
});

const toFetchRow = ({ subgraph, entities, errors, ...span }: FetchSpan): Row => ({
  ...span,
  kind: 'fetch',
  name: subgraph,
  about: entities > 0 ? many(entities, 'entity', 'entities') : 'root fields',
  isFailed: errors > 0,
});

const toCallRow = ({ operation, kind, isFailed, ...span }: CallSpan, wait: Timed | undefined): Row => {
  const waited = wait && wait.timeMs >= SHORT_MS ? `waited ${inMs(wait.timeMs)} for the rate limit` : '';
  const about = kind === 'wait' ? 'waited for the rate limit' : waited;
  return { ...span, kind, name: operation, about, isFailed, wait };
};

/** Shorter waits are not mentioned. */
const SHORT_MS = 1;

/** A timeline of fetches and provider calls. */
export const Waterfall = ({ trace, timeMs }: { trace: Trace; timeMs: number }) => {
  const whole = Math.max(timeMs, 0.01);
  return (
    <section aria-label="Timeline">
      <h3>Timeline</h3>
      <table className="tributary-waterfall" aria-label="Fetches and provider calls in time">
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col">0 to {inMs(whole)}</th>
            <th scope="col">Time</th>
          </tr>
        </thead>
        <tbody>
          {rowsOf(trace).map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a report never changes, and its rows have no id.
            <tr key={index} className={`${row.kind}${row.isFailed ? ' failed' : ''}`}>
              <th scope="row">
                <OperationName name={row.name} />
                {row.about && <small> {row.about}</small>}
                {row.isFailed && <small> failed</small>}
              </th>
              <td>
                {row.wait && <Bar className="bar wait" span={row.wait} whole={whole} />}
                <Bar className="bar" span={row} whole={whole} />
              </td>
              <td>{inMs(row.timeMs)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
};

const Bar = ({ className, span, whole }: { className: string; span: Timed; whole: number }) => (
  <span
    className={className}
    style={{ left: `${(span.startMs / whole) * 100}%`, width: `${(span.timeMs / whole) * 100}%` }}
  />
);
