import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { type GraphQLSchema, parse, validate } from 'graphql';
import { useEffect, useState } from 'react';
import changes from './examples/changes.graphql?raw';
import customer from './examples/customer.graphql?raw';
import customers from './examples/customers.graphql?raw';
import payment from './examples/payment.graphql?raw';
import products from './examples/products.graphql?raw';
import values from './examples/variables.json';
import { readSettings } from './settings.ts';

export type Example = {
  readonly name: string;
  /** The comment in the first line of the file. */
  readonly about: string;
  readonly query: string;
  readonly variables: object | undefined;
};

const VARIABLES: Readonly<Record<string, object>> = values;

const EXAMPLES: readonly Example[] = [customer, customers, products, payment, changes].map((text) => {
  const name = /(?:query|mutation|subscription) (\w+)/.exec(text)?.[1] ?? '';
  const about = /^# (.*)/.exec(text)?.[1] ?? '';
  return { name, about, query: text, variables: VARIABLES[name] };
});

/**
 * Returns the examples that are valid for a schema, which may be an external supergraph's. All if the schema is
 * unknown. A subscription only where changes are reported, as `live` says by subgraph.
 */
export const examplesFor = (schema: GraphQLSchema | null | undefined, live: readonly string[]): readonly Example[] =>
  EXAMPLES.filter(
    ({ query }) =>
      (!schema || validate(schema, parse(query)).length === 0) &&
      // The example is of a customer.
      (live.includes('crm') || !query.includes('\nsubscription ')),
  );

const Examples = () => {
  const [live, setLive] = useState<readonly string[]>([]);
  useEffect(() => {
    void readSettings().then((settings) => setLive(settings.live));
  }, []);
  const schema = useGraphiQL((state) => state.schema);
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);
  const { addTab, setOperationName } = useGraphiQLActions();
  const open = ({ name, query, variables }: Example) => {
    addTab();
    queryEditor?.setValue(query);
    variableEditor?.setValue(variables ? JSON.stringify(variables, null, 2) : '');
    // Otherwise GraphiQL would run the previous tab's operation until it has parsed this one.
    setOperationName(name);
  };
  return (
    <section aria-label="Examples" className="tributary-pane">
      <h2>Examples</h2>
      <ul className="tributary-examples">
        {examplesFor(schema, live).map((example) => (
          <li key={example.name}>
            <button type="button" onClick={() => open(example)}>
              <strong>{example.name}</strong>
              <span>{example.about}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
};

const Icon = () => (
  <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
    <path d="M4 6h16M4 12h16M4 18h10" />
  </svg>
);

/** A GraphiQL plugin with example operations. */
export const examplesPlugin = { title: 'Examples', icon: Icon, content: Examples };
