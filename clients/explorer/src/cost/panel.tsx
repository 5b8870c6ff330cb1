import { useId, useState } from 'react';
import { useEstimate } from './estimate.ts';
import { EstimateLine, EstimateTable } from './estimate-line.tsx';
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
 * The cost of operations, below the editor. Two lines are always visible: the estimate of the operation in the editor, and the
 * summary of the last run. Each has a panel, of which one is open at a time: a table of the estimated calls; and a timeline of
 * fetches and provider calls, the query plan and the provider operations.
 */
export const CostPanel = ({ isNarrow }: { isNarrow: boolean }) => {
  const id = useId();
  const report = useReport();
  const estimate = useEstimate();
  const [isOpen, setOpen] = useState(() => readIsOpen() ?? !isNarrow);
  const [isEstimateOpen, setEstimateOpen] = useState(false);
  const hasEstimate = isEstimateOpen && estimate.kind === 'estimate';
  const hasDetails = isOpen && !hasEstimate;
  const toggle = () => {
    setEstimateOpen(false);
    setOpen(!hasDetails);
    localStorage.setItem(KEY, hasDetails ? 'closed' : 'open');
  };
  return (
    // GraphiQL defines its colors for the elements with its own class.
    <section aria-label="Cost" className="graphiql-container tributary-cost">
      <EstimateLine id={`${id}-estimate`} isOpen={isEstimateOpen} toggle={() => setEstimateOpen(!isEstimateOpen)} />
      <section
        id={`${id}-estimate`}
        aria-label="Estimate"
        hidden={!hasEstimate}
        className="tributary-pane tributary-estimate"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: has to be scrolled with the keyboard.
        tabIndex={0}
      >
        {hasEstimate && <EstimateTable />}
      </section>
      <div className="tributary-line">
        <output>{report ? <Totals report={report} /> : whyNone(report)}</output>
        {report && (
          <button type="button" onClick={toggle} aria-expanded={hasDetails} aria-controls={id}>
            {hasDetails ? 'Hide details' : 'Show details'}
          </button>
        )}
      </div>
      <div id={id} hidden={!hasDetails || !report} className="tributary-pane tributary-details">
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
