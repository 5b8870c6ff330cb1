import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { composeServices } from '@apollo/composition';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { type ExecutionResult, execute, type GraphQLSchema, isAbstractType, isObjectType, parse } from 'graphql';
import { startHttpServer } from './http-server.ts';

export type SubgraphRequest = {
  readonly query: string;
  readonly variables: { readonly [name: string]: unknown; readonly representations?: readonly object[] };
  readonly headers: IncomingHttpHeaders;
};

export type SubgraphServer = {
  readonly url: string;
  readonly schema: string;
  readonly requests: SubgraphRequest[];
  readonly execute: (request: SubgraphRequest) => Promise<ExecutionResult>;
  /** Called before each response; returns true if it has sent its own. */
  before: (response: ServerResponse, request: SubgraphRequest) => boolean | undefined | Promise<boolean | undefined>;
  readonly close: () => Promise<void>;
};

/** Resolvers by schema coordinate, e.g. `Book.title`. `__resolveType` is that of an interface or a union. */
export type Fields = Readonly<Record<string, (object: never, args: never) => unknown>>;

export type SubgraphDefinition = { readonly schema: string; readonly fields?: Fields };

/** Defines subgraphs that share resolvers, each for the fields that it has. */
export const withFields = <Name extends string>(
  schemas: Readonly<Record<Name, string>>,
  fields: Fields,
): Record<Name, SubgraphDefinition> => {
  const definitions = Object.entries<string>(schemas).map(([name, schema]) => [name, { schema, fields }]);
  return Object.fromEntries(definitions) as Record<Name, SubgraphDefinition>;
};

const LINK = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9",
  import: ["@key", "@requires", "@external", "@shareable", "@provides", "@interfaceObject", "@override",
    "@cost", "@listSize", "@context", "@fromContext", "@authenticated", "@requiresScopes", "@policy"])`;

const withLink = (schema: string) => parse(`${LINK} ${schema}`);

/** Adds the resolvers of a schema's fields to it. */
export const addFields = (schema: GraphQLSchema, fields: Fields): GraphQLSchema => {
  for (const [coordinate, resolve] of Object.entries(fields)) {
    const [typename = '', name = ''] = coordinate.split('.');
    const type = schema.getType(typename);
    const field = isObjectType(type) && type.getFields()[name];
    if (field) field.resolve = resolve as never;
    if (isAbstractType(type) && name === '__resolveType') type.resolveType = resolve as never;
  }
  return schema;
};

/** Creates the executable schema of a subgraph. */
export const createSubgraphSchema = ({ schema, fields = {} }: SubgraphDefinition): GraphQLSchema =>
  addFields(buildSubgraphSchema([{ typeDefs: withLink(schema) }]), fields);

/** Starts a subgraph over HTTP. */
export const startSubgraph = async (definition: SubgraphDefinition): Promise<SubgraphServer> => {
  const schema = createSubgraphSchema(definition);
  const requests: SubgraphRequest[] = [];
  const server = await startHttpServer(async (incoming, response) => {
    const { query, variables = {} } = (await json(incoming)) as SubgraphRequest;
    const request = { query, variables, headers: incoming.headers };
    requests.push(request);
    if (await subgraph.before(response, request)) return;
    response.setHeader('content-type', 'application/json').end(JSON.stringify(await subgraph.execute(request)));
  });
  const subgraph: SubgraphServer = {
    url: server.url,
    schema: definition.schema,
    requests,
    execute: async ({ query, variables }) => execute({ schema, document: parse(query), variableValues: variables }),
    before: () => false,
    close: server.close,
  };
  return subgraph;
};

type LocatedSubgraphs = Readonly<Record<string, { readonly schema: string; readonly url?: string }>>;

const placeholderOf = (name: string): string => `http://${name}`;

/** Results by schemas. Most tests of a file compose the same, and composing takes longer than the test. */
const composed = new Map<string, ReturnType<typeof composeServices>>();

/** Composes subgraphs, with placeholders for their URLs. */
const compose = (subgraphs: LocatedSubgraphs) => {
  const schemas = Object.entries(subgraphs).map(([name, { schema }]) => [name, schema] as const);
  const key = JSON.stringify(schemas);
  const services = () =>
    schemas.map(([name, schema]) => ({ name, url: placeholderOf(name), typeDefs: withLink(schema) }));
  const result = composed.get(key) ?? composeServices(services());
  composed.set(key, result);
  if (result.errors) throw new Error(result.errors.map(({ message }) => message).join('\n'));
  return result;
};

/** Composes subgraphs to a supergraph, each with its URL if it has one. */
export const composeSubgraphs = (subgraphs: LocatedSubgraphs): string =>
  Object.entries(subgraphs).reduce(
    (sdl, [name, { url }]) =>
      url === undefined ? sdl : sdl.replace(JSON.stringify(placeholderOf(name)), JSON.stringify(url)),
    compose(subgraphs).supergraphSdl,
  );

/** Composes the public schema of subgraphs, without resolvers. */
export const composeApiSchema = (subgraphs: LocatedSubgraphs): GraphQLSchema =>
  compose(subgraphs).schema.toAPISchema().toGraphQLJSSchema();
