import { OperationName } from './operation-name.tsx';
import type { Report } from './report.ts';
import { many } from './words.ts';

type Rows = NonNullable<Report['calls']>;

/** The provider operations of a query, with their calls and cache hits. */
export const Operations = ({ calls: all }: { calls: Rows }) => {
  const sent = all.filter(({ calls }) => calls > 0);
  const saved = all.filter(({ calls }) => calls === 0);
  const objects = saved.reduce((sum, { hits, stale }) => sum + hits + stale, 0);
  return (
    <section aria-label="Provider operations">
      <h3>Provider operations</h3>
      <table className="tributary-table">
        <thead>
          <tr>
            <th scope="col">Operation</th>
            <th scope="col">Calls</th>
            <th scope="col">Objects</th>
            <th scope="col">Cached</th>
          </tr>
        </thead>
        <tbody>
          {sent.map(({ subgraph, operation, calls, keys, hits, stale }) => (
            <tr key={`${subgraph} ${operation}`}>
              <th scope="row">
                <OperationName name={operation} />
              </th>
              <td>{calls}</td>
              <td>{keys}</td>
              <td>{hits + stale}</td>
            </tr>
          ))}
          {saved.length > 0 && (
            <tr className="saved">
              <th scope="row" title={saved.map(({ operation }) => operation).join('\n')}>
                {many(saved.length, 'operation')} from the cache alone
              </th>
              <td>0</td>
              <td>0</td>
              <td>{objects}</td>
            </tr>
          )}
        </tbody>
      </table>
    </section>
  );
};
