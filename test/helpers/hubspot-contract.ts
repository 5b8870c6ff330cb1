import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Exchange } from './recorder.ts';

/*
 * Validates requests and responses against the models of HubSpot's own client, as JSON Schema without additional properties.
 * The client uses the API versions before the dated ones, whose requests are the same except for what `ENDPOINTS` adds.
 */

type Api = 'crm/objects' | 'crm/associations/v4' | 'oauth';

type Endpoint = {
  readonly api: Api;
  readonly method: string;
  readonly path: RegExp;
  /** The allowed query parameters. */
  readonly query: readonly string[];
  /** The model of the request body, and the fields that the OpenAPI document of 2026-09 requires beyond it. */
  readonly request?: { readonly model: string; readonly required: readonly string[] };
  /** The models of the responses, by status. */
  readonly answers: Readonly<Record<number, string>>;
};

const object = (
  call: string,
  answers: Endpoint['answers'],
  { query = [], request }: { query?: readonly string[]; request?: Endpoint['request'] } = {},
): Endpoint => {
  const [method = '', rest = ''] = call.split(' ');
  const path = new RegExp(`^/crm/(?:v3/objects|objects/[^/]+)/[^/]+${rest}$`);
  return { api: 'crm/objects', method, path, query, answers, ...(request && { request }) };
};

const BATCH = 'BatchResponseSimplePublicObject';
const SHOWN = ['archived', 'associations', 'properties', 'propertiesWithHistory'];

/** From the OpenAPI documents CRM/Objects, CRM/Associations and Auth/Oauth: https://github.com/HubSpot/HubSpot-public-api-spec-collection */
const ENDPOINTS: readonly Endpoint[] = [
  object(
    'POST /batch/read',
    { 200: BATCH, 207: `${BATCH}WithErrors` },
    {
      query: ['archived'],
      request: {
        model: 'BatchReadInputSimplePublicObjectId',
        required: ['inputs', 'properties', 'propertiesWithHistory'],
      },
    },
  ),
  object(
    'POST /batch/create',
    { 201: BATCH, 207: `${BATCH}WithErrors` },
    { request: { model: 'BatchInputSimplePublicObjectBatchInputForCreate', required: ['inputs'] } },
  ),
  object('POST /batch/archive', {}, { request: { model: 'BatchInputSimplePublicObjectId', required: ['inputs'] } }),
  object(
    'POST /search',
    { 200: 'CollectionResponseWithTotalSimplePublicObjectForwardPaging' },
    {
      request: {
        model: 'PublicObjectSearchRequest',
        required: ['after', 'filterGroups', 'limit', 'properties', 'sorts'],
      },
    },
  ),
  object(
    'GET',
    { 200: 'CollectionResponseSimplePublicObjectWithAssociationsForwardPaging' },
    { query: ['after', 'limit', ...SHOWN] },
  ),
  object(
    'POST',
    { 201: 'SimplePublicObject' },
    { request: { model: 'SimplePublicObjectInputForCreate', required: ['associations', 'properties'] } },
  ),
  object('GET /[^/]+', { 200: 'SimplePublicObjectWithAssociations' }, { query: ['idProperty', ...SHOWN] }),
  object(
    'PATCH /[^/]+',
    { 200: 'SimplePublicObject' },
    { query: ['idProperty'], request: { model: 'SimplePublicObjectInput', required: ['properties'] } },
  ),
  object('DELETE /[^/]+', {}),
  {
    api: 'crm/associations/v4',
    method: 'POST',
    path: /^\/crm\/(?:v4\/associations|associations\/[^/]+)\/[^/]+\/[^/]+\/batch\/read$/,
    query: [],
    request: { model: 'BatchInputPublicFetchAssociationsBatchRequest', required: ['inputs'] },
    answers: {
      200: 'BatchResponsePublicAssociationMultiWithLabel',
      207: 'BatchResponsePublicAssociationMultiWithLabelWithErrors',
    },
  },
  {
    api: 'oauth',
    method: 'POST',
    path: /^\/oauth\/[^/]+\/token$/,
    query: [],
    answers: { 200: 'TokenResponseIF' },
  },
];

/** Returns the problems of a request; empty if HubSpot accepts it. */
export const requestProblems = (exchange: Exchange): string[] => {
  const endpoint = endpointOf(exchange);
  if (!endpoint) return named(exchange, ['an endpoint that HubSpot does not have']);
  const { api, query, request } = endpoint;
  const unknown = [...exchange.query.keys()].filter((name) => !query.includes(name));
  const value = request && bodyOf(exchange.requestType, exchange.request);
  const missing = request?.required.filter((name) => !Object.hasOwn(value ?? {}, name)) ?? [];
  return named(exchange, [
    ...unknown.map((name) => `unknown parameter ${name}`),
    ...(request ? problemsOf(api, request.model, value) : []),
    ...missing.map((name) => `lacks ${name}`),
  ]);
};

/**
 * Fields that HubSpot's guides and changelog document but the models lack: the account and the scopes of a token, and in errors
 * `status` and, with a 429, the names of the limit. The label of an association without one is null.
 */
const UNDESCRIBED: readonly string[] = ['hub_id', 'scopes'];
const UNDESCRIBED_IN_ERRORS: readonly string[] = ['status', 'errorType', 'policyName'];

/** Returns the problems of a response; empty if it matches HubSpot's client. */
export const answerProblems = (exchange: Exchange): string[] => {
  const { status, answerType, answer } = exchange;
  if (status === 204) return named(exchange, answer === '' ? [] : ['a body']);
  const endpoint = endpointOf(exchange);
  const model = status >= 400 ? 'ModelError' : endpoint?.answers[status];
  if (model === undefined) return named(exchange, ['an unexpected status']);
  const value = bodyOf(answerType, answer);
  if (value === undefined) return named(exchange, [`an answer that is ${answerType}`]);
  const undescribed = status >= 400 ? UNDESCRIBED_IN_ERRORS : UNDESCRIBED;
  const described = JSON.parse(JSON.stringify(value), (key, one) =>
    key === 'label' && one === null ? undefined : one,
  );
  for (const name of undescribed) delete described[name];
  return named(exchange, problemsOf(endpoint?.api ?? 'crm/objects', model, described));
};

const endpointOf = ({ method, path }: Exchange): Endpoint | undefined =>
  ENDPOINTS.find((endpoint) => endpoint.method === method && endpoint.path.test(path));

const named = ({ method, path, status }: Exchange, problems: readonly string[]): string[] =>
  problems.map((problem) => `${method} ${path} (${status}): ${problem}`);

/** Parses a JSON body; undefined if it is anything else. */
const bodyOf = (type: string | null | undefined, body: string): unknown =>
  type?.startsWith('application/json') ? JSON.parse(body) : undefined;

const problemsOf = (api: Api, model: string, value: unknown): string[] => {
  const { error } = z.fromJSONSchema({ ...modelOf(model), $defs: modelsOf(api) } as never).safeParse(value);
  return error ? error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) : [];
};

type JsonSchema = { readonly [keyword: string]: unknown };
type Attribute = { readonly name: string; readonly baseName: string; readonly type: string; readonly format: string };

const require = createRequire(import.meta.url);
const CODEGEN = join(dirname(require.resolve('@hubspot/api-client')), 'codegen');

/** Reads the models of a part of HubSpot's client: names and types from its serializer, required fields from its declarations. */
const readModels = (api: Api): Readonly<Record<string, JsonSchema>> => {
  const folder = join(CODEGEN, api, 'models');
  const models: Record<string, JsonSchema> = {};
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.d.ts'))) {
    const declaration = readFileSync(join(folder, file), 'utf8');
    for (const [name, value] of Object.entries(require(join(folder, file.slice(0, -'.d.ts'.length))) as object)) {
      // Some files only re-export declarations.
      if (!declaration.includes(` ${name} {`)) continue;
      const attributes: readonly Attribute[] | undefined = value.attributeTypeMap;
      if (name.endsWith('Enum')) models[name] = { enum: Object.values(value) };
      if (!attributes) continue;
      models[name] = {
        type: 'object',
        properties: Object.fromEntries(
          attributes.map(({ baseName, type, format }) => [baseName, fromType(type, format)]),
        ),
        required: attributes
          .filter((one) => declaration.includes(`    '${one.name}': `))
          .map(({ baseName }) => baseName),
        additionalProperties: false,
      };
    }
  }
  return models;
};

const known = new Map<Api, ReturnType<typeof readModels>>();

const modelsOf = (api: Api) => {
  const models = known.get(api) ?? readModels(api);
  known.set(api, models);
  return models;
};

const modelOf = (name: string): JsonSchema => ({ $ref: `#/$defs/${name}` });

const fromType = (type: string, format: string): JsonSchema => {
  const list = /^Array<(.+)>$/.exec(type)?.[1];
  if (list) return { type: 'array', items: fromType(list, format) };
  const values = /^\{ \[key: string\]: (.+); \}$/.exec(type)?.[1];
  if (values) return { type: 'object', additionalProperties: fromType(values, format) };
  const nullable = /^(.+) \| null$/.exec(type)?.[1];
  if (nullable) return { anyOf: [fromType(nullable, format), { type: 'null' }] };
  if (type === 'Date') return { type: 'string', format: 'date-time' };
  if (type === 'number') return { type: format.startsWith('int') ? 'integer' : 'number' };
  if (type === 'any') return {};
  return type === 'string' || type === 'boolean' ? { type } : modelOf(type);
};
