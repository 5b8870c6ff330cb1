import { useId, useState } from 'react';
import { Operations } from './operations.tsx';
import { Plan } from './plan.tsx';
import { type Report, totalsOf, useReport, whyNone } from './report.ts';
import { Waterfall } from './waterfall.tsx';
import { inMs, many } from './words.ts';

const KEY = 'tributary:cost';

const readIsOpen = (): boolean | undefined => {
  const stored = localStorage.getItem(KEY);
  return stored === null ? undefined : stored === 'open';
};

/**
 * The cost of the last query, below the editor: a summary that is always visible, and a panel with a timeline of
 * fetches and provider calls, the query plan and the provider operations.
 */
export const CostPanel = ({ isNarrow }: { isNarrow: boolean }) => {
  const id = useId();
  const report = useReport();
  const [isOpen, setOpen] = useState(() => readIsOpen() ?? !isNarrow);
  const toggle = () => {
    setOpen(!isOpen);
    localStorage.setItem(KEY, isOpen ? 'closed' : 'open');
  };
  return (
    // GraphiQL defines its colors for the elements with its own class.
    <section aria-label="Cost" className="graphiql-container tributary-cost">
      <div className="tributary-line">
        <output>{report ? <Totals report={report} /> : whyNone(report)}</output>
        {report && (
          <button type="button" onClick={toggle} aria-expanded={isOpen} aria-controls={id}>
            {isOpen ? 'Hide details' : 'Show details'}
          </button>
        )}
      </div>
      <div id={id} hidden={!isOpen || !report} className="tributary-pane">
        {report && <Details report={report} />}
      </div>
    </section>
  );
};

const Totals = ({ report }: { report: Report }) => {
  const { calls, fetches, hits } = totalsOf(report);
  return (
    <>
      <strong>{many(calls, 'provider call')}</strong>, {many(fetches, 'subgraph fetch', 'subgraph fetches')},{' '}
      {many(hits, 'object')} from the cache, {inMs(report.timeMs ?? 0)}
    </>
  );
};

const Details = ({ report: { trace, stale = [], calls = [], timeMs = 0 } }: { report: Report }) => {
  const unavailable = stale.filter(({ reason }) => reason !== 'REFRESHING').length;
  return (
    <>
      {unavailable > 0 && (
        <p role="status" className="tributary-stale">
          {many(unavailable, 'part')} of the answer {unavailable === 1 ? 'is' : 'are'} older than usual: a provider is
          unavailable.
        </p>
      )}
      <div className="tributary-columns">
        {trace && <Waterfall trace={trace} timeMs={timeMs} />}
        {trace?.plan && <Plan plan={trace.plan} fetches={trace.fetches} />}
        <Operations calls={calls} />
      </div>
    </>
  );
};
