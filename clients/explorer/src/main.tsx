import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './explorer.css';
import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import {
  buildClientSchema,
  type GraphQLSchema,
  getIntrospectionQuery,
  getOperationAST,
  type IntrospectionQuery,
} from 'graphql';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ActAs } from './act-as.tsx';
import { refreshEstimate } from './cost/estimate.ts';
import { EstimateSource } from './cost/estimate-source.tsx';
import { CostPanel } from './cost/panel.tsx';
import { noteReport, REPORT_HEADERS, runKey, startRun } from './cost/report.ts';
import { examplesFor, examplesPlugin } from './examples.tsx';
import { forgetStream } from './live/messages.ts';
import { MessagesPanel } from './live/messages-panel.tsx';
import { subscribe } from './live/subscribe.ts';
import { send, URL } from './send.ts';
import { readSettings } from './settings.ts';
import { StatusLink } from './status-link.tsx';

/** Sends an operation that is run. Moves the cost report from the response to the panel. */
const run: typeof fetch = async (input, init) => {
  const key = runKey(JSON.parse(String(init?.body)));
  if (startRun(key)) refreshEstimate();
  if (!key.includes('__schema')) forgetStream();
  return noteReport(await send(input, init), key);
};

const fetchResult = createGraphiQLFetcher({ url: URL, headers: REPORT_HEADERS, fetch: run });

const fetcher: Fetcher = (params, options) =>
  options?.documentAST && getOperationAST(options.documentAST, params.operationName)?.operation === 'subscription'
    ? subscribe(params, options.headers ?? {})
    : fetchResult(params, options);

const readSchema = async (): Promise<GraphQLSchema | undefined> => {
  try {
    const response = await send(URL, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: getIntrospectionQuery() }),
    });
    const { data } = (await response.json()) as { data?: IntrospectionQuery };
    return data && buildClientSchema(data);
  } catch {
    // GraphiQL requests the schema too, and displays the error.
    return undefined;
  }
};

const tabs = examplesFor(await readSchema(), (await readSettings()).live).map(({ query, variables }) => ({
  query,
  variables: variables ? JSON.stringify(variables, null, 2) : '',
}));

// GraphiQL 5.4 ignores the variables of the first default tab. Tabs from an earlier visit have their own.
const [first] = localStorage.getItem('graphiql:tabState') ? [] : tabs;

const isNarrow = window.matchMedia('(max-width: 760px)').matches;

createRoot(document.querySelector('#root') as HTMLElement).render(
  <StrictMode>
    <GraphiQL
      fetcher={fetcher}
      // GraphiQL 5.4 does not start without tabs.
      {...(tabs.length > 0 && { defaultTabs: tabs })}
      {...(first && { initialVariables: first.variables })}
      plugins={[examplesPlugin, HISTORY_PLUGIN]}
      // On a phone there is only room for the operation and its response.
      defaultEditorToolsVisibility={isNarrow ? false : 'variables'}
    >
      <GraphiQL.Logo>
        <EstimateSource />
        <ActAs />
        <StatusLink />
        Tributary
      </GraphiQL.Logo>
    </GraphiQL>
    <MessagesPanel isNarrow={isNarrow} />
    <CostPanel isNarrow={isNarrow} />
  </StrictMode>,
);
