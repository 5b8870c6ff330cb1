import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './explorer.css';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { buildClientSchema, type GraphQLSchema, getIntrospectionQuery, type IntrospectionQuery } from 'graphql';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { CostPanel } from './cost/panel.tsx';
import { noteReport, REPORT_HEADERS } from './cost/report.ts';
import { examplesFor, examplesPlugin } from './examples.tsx';

const URL = '/graphql';

/** Sends operations to the gateway, and keeps the report of their cost for the panel, out of the way of the answer. */
const fetcher = createGraphiQLFetcher({
  url: URL,
  headers: REPORT_HEADERS,
  fetch: async (input, init) => noteReport(await fetch(input, init)),
});

const readSchema = async (): Promise<GraphQLSchema | undefined> => {
  try {
    const response = await fetch(URL, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: getIntrospectionQuery() }),
    });
    const { data } = (await response.json()) as { data?: IntrospectionQuery };
    return data && buildClientSchema(data);
  } catch {
    // GraphiQL reads the schema too, and shows what is wrong.
    return undefined;
  }
};

const tabs = examplesFor(await readSchema()).map(({ query, variables }) => ({
  query,
  variables: variables ? JSON.stringify(variables, null, 2) : '',
}));

// GraphiQL 5.4 leaves out the variables of the first default tab. Where tabs are kept from before they have their own.
const [first] = localStorage.getItem('graphiql:tabState') ? [] : tabs;

const isNarrow = window.matchMedia('(max-width: 760px)').matches;

createRoot(document.querySelector('#root') as HTMLElement).render(
  <StrictMode>
    <GraphiQL
      fetcher={fetcher}
      // GraphiQL 5.4 cannot start with no tab at all.
      {...(tabs.length > 0 && { defaultTabs: tabs })}
      {...(first && { initialVariables: first.variables })}
      plugins={[examplesPlugin, HISTORY_PLUGIN]}
      // On a phone the operation and its answer have the room.
      defaultEditorToolsVisibility={isNarrow ? false : 'variables'}
    >
      <GraphiQL.Logo>Tributary</GraphiQL.Logo>
    </GraphiQL>
    <CostPanel isNarrow={isNarrow} />
  </StrictMode>,
);
