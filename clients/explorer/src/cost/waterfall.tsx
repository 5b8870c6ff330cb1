import type { CallSpan, FetchSpan, Timed, Trace } from './report.ts';
import { inMs, many } from './words.ts';

type Row = Timed & {
  readonly kind: 'gateway' | 'fetch' | CallSpan['kind'];
  readonly name: string;
  readonly about: string;
  readonly isFailed: boolean;
};

/** The fetches in the order they were sent, each with what its subgraph asked of its provider meanwhile. */
const rowsOf = ({ fetches, calls }: Trace): Row[] => {
  const left = new Set([...calls].sort((a, b) => a.startMs - b.startMs));
  const inOrder = [...fetches].sort((a, b) => a.startMs - b.startMs);
  const rows: Row[] = inOrder[0] ? [toPlanningRow(inOrder[0])] : [];
  for (const [index, fetch] of inOrder.entries()) {
    rows.push(toFetchRow(fetch));
    const next = inOrder.slice(index + 1).find(({ subgraph }) => subgraph === fetch.subgraph);
    for (const call of left) {
      // One that began before the subgraph's next fetch belongs to this one.
      if (call.upstream !== fetch.subgraph || (next && call.startMs >= next.startMs)) continue;
      left.delete(call);
      rows.push(toCallRow(call));
    }
  }
  return [...rows, ...[...left].map(toCallRow)];
};

/** What comes before the first fetch: longer where the operation is new, and a plan has to be made. */
const toPlanningRow = ({ startMs }: FetchSpan): Row => ({
  kind: 'gateway',
  name: 'gateway',
  about: 'reads and plans',
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

const toCallRow = ({ operation, kind, isFailed, ...span }: CallSpan): Row => ({
  ...span,
  kind,
  name: operation,
  about: kind === 'wait' ? 'waited for its turn' : '',
  isFailed,
});

/** When each fetch and each provider call ran. */
export const Waterfall = ({ trace, timeMs }: { trace: Trace; timeMs: number }) => {
  const whole = Math.max(timeMs, 0.01);
  return (
    <>
      <h3>When</h3>
      <table className="tributary-waterfall" aria-label="Fetches and provider calls in time">
        <thead>
          <tr>
            <th scope="col">what</th>
            <th scope="col">from 0 to {inMs(whole)}</th>
            <th scope="col">time</th>
          </tr>
        </thead>
        <tbody>
          {rowsOf(trace).map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a report never changes, and its rows have no other name.
            <tr key={index} className={`${row.kind}${row.isFailed ? ' failed' : ''}`}>
              <th scope="row" title={row.name}>
                {/* Paths differ at their ends, so where there is no room it is their start that goes. */}
                <span className="name">
                  <bdi>{row.name}</bdi>
                </span>
                {row.about && <small> {row.about}</small>}
                {row.isFailed && <small> failed</small>}
              </th>
              <td>
                <span
                  className="bar"
                  style={{ left: `${(row.startMs / whole) * 100}%`, width: `${(row.timeMs / whole) * 100}%` }}
                />
              </td>
              <td>{inMs(row.timeMs)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
};
