import { useGraphiQLActions } from '@graphiql/react';
import { costPlugin } from './panel.tsx';
import { totalsOf, useReport, whyNone } from './report.ts';
import { inMs, many } from './words.ts';

/** The cost of the last query in one line, below its answer. */
export const CostLine = () => {
  const report = useReport();
  const { setVisiblePlugin } = useGraphiQLActions();
  if (!report) return <output className="tributary-line">{whyNone(report)}</output>;
  const { calls, fetches, hits } = totalsOf(report);
  return (
    <output className="tributary-line">
      <strong>{many(calls, 'provider call')}</strong>, {many(fetches, 'subgraph fetch', 'subgraph fetches')},{' '}
      {many(hits, 'object')} from the cache, {inMs(report.timeMs ?? 0)}{' '}
      <button type="button" onClick={() => setVisiblePlugin(costPlugin)}>
        Show how
      </button>
    </output>
  );
};
