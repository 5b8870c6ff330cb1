import { parse, print } from 'graphql';
import { Fragment } from 'react';
import type { FetchSpan, PlanNode } from './report.ts';
import { inMs, many } from './words.ts';

type Fetches = readonly FetchSpan[];

/** The query plan as a diagram: a step waits for the steps above it; steps side by side run concurrently. */
export const Plan = ({ plan, fetches }: { plan: PlanNode; fetches: Fetches }) => (
  <section aria-label="Plan">
    <h3>Plan</h3>
    <figure className="tributary-plan" aria-label="Query plan">
      <Node node={plan} fetches={fetches} />
    </figure>
  </section>
);

const Node = ({ node, fetches }: { node: PlanNode; fetches: Fetches }) => {
  switch (node.kind) {
    case 'fetch':
      return <Fetch node={node} ran={fetches.filter((one) => one.query === node.query)} />;
    case 'condition':
      return (
        <div className="condition">
          <Branch label={`if $${node.variable}`} nodes={node.then} fetches={fetches} />
          <Branch label="else" nodes={node.otherwise} fetches={fetches} />
        </div>
      );
    default:
      return <List className={node.kind} nodes={node.nodes} fetches={fetches} />;
  }
};

const List = ({ className, nodes, fetches }: { className: string; nodes: readonly PlanNode[]; fetches: Fetches }) => (
  <ol className={className} aria-label={className === 'parallel' ? 'at once' : 'one after another'}>
    {nodes.map((node, index) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: a plan never changes, and its nodes have no id.
      <li key={index}>
        <Node node={node} fetches={fetches} />
      </li>
    ))}
  </ol>
);

const Branch = ({ label, nodes, fetches }: { label: string; nodes: readonly PlanNode[]; fetches: Fetches }) =>
  nodes.length > 0 && (
    <div>
      <small>{label}</small>
      <List className="sequence" nodes={nodes} fetches={fetches} />
    </div>
  );

const Fetch = ({ node, ran }: { node: Extract<PlanNode, { kind: 'fetch' }>; ran: Fetches }) => {
  const [first] = ran;
  const entities = ran.reduce((sum, one) => sum + one.entities, 0);
  return (
    <details className={first ? 'fetch' : 'fetch unsent'}>
      <summary>
        <strong>{node.subgraph}</strong>
        {node.places.length > 0 && (
          <small>
            for <Places paths={node.places} />
          </small>
        )}
        <small>
          {first
            ? `${entities > 0 ? `${many(entities, 'entity', 'entities')}, ` : ''}${inMs(first.timeMs)}`
            : 'not needed'}
        </small>
      </summary>
      <pre>{print(parse(node.query))}</pre>
    </details>
  );
};

/** Formats a path such as `customers.edges.@.node`, with a line break opportunity at each dot. */
const Places = ({ paths }: { paths: readonly string[] }) =>
  paths
    .map((path) => path.replaceAll('.@', '[]'))
    .join(', ')
    .split(/(?=\.)/)
    .map((part, index) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: a plan never changes, and its places have no id.
      <Fragment key={index}>
        <wbr />
        {part}
      </Fragment>
    ));
