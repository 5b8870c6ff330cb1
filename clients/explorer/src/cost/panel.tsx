import { Plan } from './plan.tsx';
import { type Report, totalsOf, useReport, whyNone } from './report.ts';
import { Waterfall } from './waterfall.tsx';
import { inMs, many } from './words.ts';

const Cost = () => {
  const report = useReport();
  return (
    <section aria-label="Cost" className="tributary-pane">
      <h2>Cost of the last query</h2>
      {report ? <Told report={report} /> : <p>{whyNone(report)}</p>}
    </section>
  );
};

const Told = ({ report }: { report: Report }) => {
  const { calls, fetches, hits, stale } = totalsOf(report);
  return (
    <>
      <dl className="tributary-totals">
        <Total name="provider calls" value={String(calls)} />
        <Total name="subgraph fetches" value={String(fetches)} />
        <Total name="objects from the cache" value={String(hits)} />
        <Total name="time" value={inMs(report.timeMs ?? 0)} />
      </dl>
      {stale > 0 && (
        <p role="status" className="tributary-stale">
          {many(stale, 'part')} of the answer {stale === 1 ? 'is' : 'are'} older than usual: a provider could not be
          asked.
        </p>
      )}
      {report.trace && <Waterfall trace={report.trace} timeMs={report.timeMs ?? 0} />}
      {report.trace?.plan && <Plan plan={report.trace.plan} fetches={report.trace.fetches} />}
      <Operations calls={report.calls ?? []} />
    </>
  );
};

const Total = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);

const Operations = ({ calls }: { calls: NonNullable<Report['calls']> }) => (
  <>
    <h3>Asked of providers</h3>
    <table className="tributary-table">
      <thead>
        <tr>
          <th scope="col">operation</th>
          <th scope="col">calls</th>
          <th scope="col">objects</th>
          <th scope="col">from cache</th>
        </tr>
      </thead>
      <tbody>
        {calls.map((row) => (
          <tr key={`${row.upstream} ${row.operation}`}>
            <th scope="row">
              {row.upstream} <code>{row.operation}</code>
            </th>
            <td>{row.calls}</td>
            <td>{row.keys}</td>
            <td>{row.hits + row.stale}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </>
);

const Icon = () => (
  <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
    <path d="M3 5h8M7 12h9M12 19h9" />
  </svg>
);

/** What the last query has cost: its fetches and provider calls in time, and its plan. */
export const costPlugin = { title: 'Cost', icon: Icon, content: Cost };
