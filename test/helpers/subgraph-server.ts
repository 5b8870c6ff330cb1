import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { composeServices } from '@apollo/composition';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { execute, isObjectType, parse } from 'graphql';
import { startHttpServer } from './http-server.ts';

export type SubgraphRequest = {
  readonly query: string;
  readonly variables: { readonly [name: string]: unknown; readonly representations?: readonly object[] };
  readonly headers: IncomingHttpHeaders;
};

export type SubgraphServer = {
  readonly url: string;
  readonly requests: SubgraphRequest[];
  /** Called before each response; returns true if it has sent its own. */
  before: (response: ServerResponse, request: SubgraphRequest) => boolean | undefined | Promise<boolean | undefined>;
  readonly close: () => Promise<void>;
};

export type SubgraphDefinition = {
  readonly schema: string;
  /** Resolvers by schema coordinate, e.g. `Book.title`. */
  readonly fields?: Readonly<Record<string, (object: never, args: never) => unknown>>;
};

const LINK = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9",
  import: ["@key", "@requires", "@external", "@shareable", "@provides", "@interfaceObject", "@override",
    "@cost", "@listSize", "@context", "@fromContext", "@authenticated", "@requiresScopes", "@policy"])`;

const withLink = (schema: string) => parse(`${LINK} ${schema}`);

/** Starts an external subgraph over HTTP. */
export const startSubgraph = async ({ schema: text, fields = {} }: SubgraphDefinition): Promise<SubgraphServer> => {
  const schema = buildSubgraphSchema([{ typeDefs: withLink(text) }]);
  for (const [coordinate, resolve] of Object.entries(fields)) {
    const [typename = '', name = ''] = coordinate.split('.');
    const type = schema.getType(typename);
    const field = isObjectType(type) ? type.getFields()[name] : undefined;
    if (!field) throw new Error(`The schema has no ${coordinate}.`);
    field.resolve = resolve as never;
  }
  const requests: SubgraphRequest[] = [];
  const server = await startHttpServer(async (incoming, response) => {
    const { query, variables = {} } = (await json(incoming)) as SubgraphRequest;
    const request = { query, variables, headers: incoming.headers };
    requests.push(request);
    if (await subgraph.before(response, request)) return;
    const answer = await execute({ schema, document: parse(query), variableValues: variables });
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  });
  const subgraph: SubgraphServer = { url: server.url, requests, before: () => false, close: server.close };
  return subgraph;
};

/** Composes subgraphs, each with its URL. */
export const composeSubgraphs = (
  subgraphs: Readonly<Record<string, { readonly schema: string; readonly url: string }>>,
): string => {
  const services = Object.entries(subgraphs).map(([name, { schema, url }]) => ({
    name,
    url,
    typeDefs: withLink(schema),
  }));
  const { supergraphSdl, errors } = composeServices(services);
  if (errors) throw new Error(errors.map(({ message }) => message).join('\n'));
  return supergraphSdl;
};
