import type { GraphQLDataSource } from '@apollo/gateway';
import { type DocumentNode, execute, GraphQLError, type GraphQLFormattedError, Kind, parse } from 'graphql';
import { z } from 'zod';
import { isUpstreamError } from '../connectors/errors.ts';
import { createHttpConnector } from '../connectors/http.ts';
import { LEDGER_COLUMNS } from '../connectors/ledger.ts';
import { parseJson } from '../connectors/parse.ts';
import type { Log } from '../runtime/log.ts';
import { toPublicError } from '../subgraphs/errors.ts';
import type { StaleNote } from '../subgraphs/field.ts';
import { toTermHeaders } from '../subgraphs/request.ts';
import type { Subgraph } from '../subgraphs/subgraph.ts';
import type { RequestContext } from './context.ts';
import { type FetchResult, failedFetch } from './failed-fetch.ts';
import { toStaleMarker } from './report.ts';

/** How the gateway's fetches reach one subgraph. Never throws: a fetch that failed is errors at its fields. */
export type Transport = {
  readonly fetch: (fetch: Fetch, context: RequestContext) => Promise<FetchResult>;
  readonly close: () => Promise<void>;
};

type Fetch = {
  readonly query: string;
  readonly document: DocumentNode;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly operationName?: string | undefined;
};

/** The way to a subgraph in this process: its schema is executed directly, nothing is serialised. */
export const createLocalTransport = (subgraph: Subgraph, log: Log): Transport => ({
  fetch: async ({ document, variables, operationName }, context) => {
    const stale: StaleNote[] = [];
    const { data, errors } = await execute({
      schema: subgraph.schema,
      document,
      variableValues: variables,
      operationName: operationName ?? null,
      contextValue: { ...context.contextOf(subgraph), stale },
    });
    const publicErrors = errors?.map((error) => toPublicError(error, log));
    return withStaleMarkers(toFetchResult({ data, errors: publicErrors }, document, variables), stale);
  },
  close: subgraph.close,
});

// What `subgraphs/errors.ts` makes. Anything else that a subgraph adds, such as stack traces, stays behind.
const PASSED_ON = ['code', 'argument', 'reason', 'retryAfterMs'];

const pickExtensions = (extensions: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(extensions).filter(([name]) => PASSED_ON.includes(name)));

const Stale = z.object({
  path: z.array(z.union([z.string(), z.number()])),
  provider: z.string(),
  ageMs: z.number(),
});

const Row = z.object({
  upstream: z.string(),
  operation: z.string(),
  ...Object.fromEntries(LEDGER_COLUMNS.map((column) => [column, z.number().default(0)])),
});

const Answer = z.object({
  data: z.record(z.string(), z.unknown()).nullish(),
  errors: z
    .array(
      z.object({
        message: z.string(),
        path: z.array(z.union([z.string(), z.number()])).exactOptional(),
        extensions: z.record(z.string(), z.unknown()).default({}).transform(pickExtensions),
      }),
    )
    .optional(),
  extensions: z
    .object({
      tributary: z
        .object({ stale: z.array(Stale).default([]), calls: z.array(Row).default([]) })
        .optional()
        .catch(undefined),
    })
    .optional()
    .catch(undefined),
});

/** The way to a subgraph over HTTP. */
export const createRemoteTransport = (
  { name, url, timeoutMs }: { name: string; url: string; timeoutMs: number },
  log: Log,
): Transport => {
  // A request that the subgraph will not execute is answered with 400 and the reason.
  const http = createHttpConnector({
    upstream: name,
    timeoutMs,
    maxAnswerBytes: 32 * 1024 * 1024,
    connections: 64,
    isAnswer: ({ status }) => status === 200 || status === 400,
  });
  return {
    fetch: async ({ query, document, variables, operationName }, { headers, terms, ledger }) => {
      const operation = `POST ${name}`;
      try {
        const { body } = await http.send({
          operation,
          method: 'POST',
          url,
          headers: {
            ...headers,
            ...toTermHeaders(terms),
            'content-type': 'application/json',
            accept: 'application/json',
          },
          body: JSON.stringify({ query, variables, operationName }),
          write: isMutation(document),
          signal: terms.signal,
        });
        const answer = parseJson(Answer, body, { upstream: name, operation });
        const { stale = [], calls = [] } = answer.extensions?.tributary ?? {};
        for (const { upstream, operation: of, ...row } of calls) ledger?.add(upstream, of, row);
        return withStaleMarkers(toFetchResult(answer, document, variables), stale);
      } catch (error) {
        if (!isUpstreamError(error)) throw error;
        return failedFetch(document, variables, toPublicError(new GraphQLError('', { originalError: error }), log));
      }
    },
    close: http.close,
  };
};

const withStaleMarkers = (result: FetchResult, stale: readonly StaleNote[]): FetchResult =>
  stale.length === 0 ? result : { ...result, errors: [...(result.errors ?? []), ...stale.map(toStaleMarker)] };

/** The data source that `@apollo/gateway` asks for, over a transport. */
export const toDataSource = (transport: Transport): GraphQLDataSource => {
  // The planner gives one text for each fetch of a plan, and keeps plans in a cache of its own.
  const documents = new Map<string, DocumentNode>();
  const parsed = (query: string): DocumentNode => {
    const known = documents.get(query);
    if (known) return known;
    if (documents.size >= MAX_DOCUMENTS) documents.clear();
    const document = parse(query, { noLocation: true });
    documents.set(query, document);
    return document;
  };
  return {
    process: async ({ request, context }) => {
      const { query = '', variables = {}, operationName } = request;
      const fetch = { query, document: parsed(query), variables, operationName };
      return (await transport.fetch(fetch, context as RequestContext)) as Awaited<
        ReturnType<GraphQLDataSource['process']>
      >;
    },
  };
};

const MAX_DOCUMENTS = 1_000;

const isMutation = ({ definitions }: DocumentNode): boolean =>
  definitions.some(
    (definition) => definition.kind === Kind.OPERATION_DEFINITION && definition.operation === 'mutation',
  );

type SubgraphAnswer = {
  readonly data?: Record<string, unknown> | null | undefined;
  readonly errors?: readonly GraphQLFormattedError[] | undefined;
};

/** A subgraph's answer without data is about the whole fetch: input it would not take, or a null where none may be. */
const toFetchResult = (
  { data, errors }: SubgraphAnswer,
  document: DocumentNode,
  variables: Fetch['variables'],
): FetchResult => {
  if (data) return { data, ...(errors && errors.length > 0 && { errors }) };
  const [first] = errors ?? [];
  if (first?.path) return { data: null, ...(errors && { errors }) };
  return failedFetch(
    document,
    variables,
    first ?? { message: 'A service gave no answer.', extensions: { code: 'INTERNAL_SERVER_ERROR' } },
  );
};
