import { z } from 'zod';
import type { SandboxAnswer, SandboxRequest } from '../server.ts';
import { HubSpotError, json, validationError } from './errors.ts';
import { SearchRequest, search } from './search.ts';
import { type CrmObject, closed, type HubSpotState, type ObjectType } from './state.ts';

const MAX_BATCH = 100;
const MAX_ASSOCIATIONS = 1_000;

const TYPES: Readonly<Record<ObjectType, string>> = {
  contacts: 'CONTACT',
  companies: 'COMPANY',
  deals: 'DEAL',
  line_items: 'LINE_ITEM',
};

// What may be asked and set; the provider refuses to set what it does not know.
const WRITABLE: Readonly<Record<ObjectType, readonly string[]>> = {
  contacts: ['email', 'firstname', 'lastname', 'phone', 'lifecyclestage'],
  companies: ['name', 'domain'],
  deals: ['dealname', 'dealstage', 'amount', 'closedate', 'deal_currency_code', 'pipeline'],
  line_items: ['name', 'hs_sku', 'quantity', 'price'],
};

export type Context = {
  readonly state: HubSpotState;
  readonly now: () => number;
  /** How many links of one record an answer holds before it is paged. */
  readonly linksPerAnswer: number;
};

export type Route = {
  readonly method: string;
  readonly path: RegExp;
  /** The operation's name in the call log, without ids. */
  readonly name: (match: RegExpExecArray) => string;
  readonly answer: (match: RegExpExecArray, request: SandboxRequest, context: Context) => SandboxAnswer;
};

const TYPE = '(contacts|companies|deals|line_items)';

export const ROUTES: readonly Route[] = [
  {
    method: 'POST',
    path: new RegExp(`^/crm/v3/objects/${TYPE}/batch/read$`),
    name: ([path]) => `POST ${path}`,
    answer: ([, type], { body }, { state }) => batchRead(type as ObjectType, body, state),
  },
  {
    method: 'POST',
    path: new RegExp(`^/crm/v3/objects/${TYPE}/search$`),
    name: ([path]) => `POST ${path}`,
    answer: ([, type], { body }, { state }) => searchObjects(type as ObjectType, body, state),
  },
  {
    method: 'GET',
    path: new RegExp(`^/crm/v3/objects/${TYPE}$`),
    name: ([path]) => `GET ${path}`,
    answer: ([, type], { query }, { state }) => listObjects(type as ObjectType, query, state),
  },
  {
    method: 'POST',
    path: new RegExp(`^/crm/v3/objects/${TYPE}$`),
    name: ([path]) => `POST ${path}`,
    answer: ([, type], { body }, context) => createObject(type as ObjectType, body, context),
  },
  {
    method: 'PATCH',
    path: new RegExp(`^/crm/v3/objects/${TYPE}/(\\d+)$`),
    name: ([, type]) => `PATCH /crm/v3/objects/${type}/{id}`,
    answer: ([, type, id], { body }, context) => updateObject(type as ObjectType, String(id), body, context),
  },
  {
    method: 'POST',
    path: new RegExp(`^/crm/v4/associations/${TYPE}/${TYPE}/batch/read$`),
    name: ([path]) => `POST ${path}`,
    answer: ([, from, to], { body }, context) => readAssociations(from as ObjectType, to as ObjectType, body, context),
  },
];

const parse = <Schema extends z.ZodType>(schema: Schema, body: string): z.output<Schema> => {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw validationError('Invalid input JSON.');
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw validationError(`Invalid input: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
};

/** A record with the properties asked for, and the three that always come. */
const show = ({ id, properties, createdAt, updatedAt }: CrmObject, names: readonly string[]) => ({
  id,
  properties: Object.fromEntries(
    [...new Set([...names, 'createdate', 'hs_lastmodifieddate', 'hs_object_id'])].map((name) => [
      name,
      properties[name] ?? null,
    ]),
  ),
  createdAt,
  updatedAt,
  archived: false,
});

const BatchRead = z.strictObject({
  inputs: z.array(z.strictObject({ id: z.string() })),
  properties: z.array(z.string()).default([]),
  idProperty: z.string().optional(),
});

const batchRead = (type: ObjectType, body: string, { objects }: HubSpotState): SandboxAnswer => {
  const { inputs, properties, idProperty } = parse(BatchRead, body);
  if (inputs.length > MAX_BATCH) throw validationError(`The size of the batch is over ${MAX_BATCH}.`);
  const all = objects[type];
  const find = (id: string): CrmObject | undefined =>
    idProperty === undefined
      ? all.get(id)
      : [...all.values()].find((one) => one.properties[idProperty]?.toLowerCase() === id.toLowerCase());
  const results: CrmObject[] = [];
  const missing: string[] = [];
  for (const { id } of inputs) {
    const found = find(id);
    if (!found) missing.push(id);
    else if (!results.includes(found)) results.push(found);
  }
  // Not the order that was asked for.
  results.sort((a, b) => Number(b.id) - Number(a.id));
  const answer = { status: 'COMPLETE', results: results.map((one) => show(one, properties)) };
  if (missing.length === 0) return json(200, answer);
  return json(207, {
    ...answer,
    numErrors: 1,
    errors: [
      {
        status: 'error',
        category: 'OBJECT_NOT_FOUND',
        message: `Could not get some ${TYPES[type]} objects, they may be deleted or not exist. Check that ids are valid.`,
        context: { ids: missing },
      },
    ],
  });
};

const searchObjects = (type: ObjectType, body: string, { objects }: HubSpotState): SandboxAnswer => {
  const request = parse(SearchRequest, body);
  const { total, start, results } = search(objects[type].values(), request);
  const next = start + results.length;
  return json(200, {
    total,
    results: results.map((one) => show(one, request.properties)),
    ...(next < total && { paging: { next: { after: String(next) } } }),
  });
};

const listObjects = (type: ObjectType, query: URLSearchParams, { objects }: HubSpotState): SandboxAnswer => {
  const limit = Number(query.get('limit') ?? 10);
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw validationError('limit must be 1 to 100');
  // The cursor is the id to go on from.
  const after = Number(query.get('after') ?? 0);
  const all = [...objects[type].values()].sort((a, b) => Number(a.id) - Number(b.id));
  const rest = all.filter(({ id }) => Number(id) >= after);
  const next = rest[limit];
  return json(200, {
    results: rest.slice(0, limit).map((one) => show(one, (query.get('properties') ?? '').split(',').filter(Boolean))),
    ...(next && { paging: { next: { after: next.id, link: `?after=${next.id}` } } }),
  });
};

const Properties = z.record(z.string(), z.union([z.string(), z.null()]));

const checkProperties = (type: ObjectType, properties: z.output<typeof Properties>): void => {
  const unknown = Object.keys(properties).find((name) => !WRITABLE[type].includes(name));
  if (unknown) throw validationError(`Property "${unknown}" does not exist`);
  const { email, amount } = properties;
  if (email && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email)) throw validationError(`Email address ${email} is invalid`);
  if (amount && !/^-?\d+(\.\d+)?$/.test(amount)) throw validationError(`${amount} was not a valid number.`);
};

const Create = z.strictObject({
  properties: Properties,
  associations: z
    .array(
      z.strictObject({
        to: z.strictObject({ id: z.string() }),
        types: z.array(
          z.strictObject({ associationCategory: z.literal('HUBSPOT_DEFINED'), associationTypeId: z.number() }),
        ),
      }),
    )
    .default([]),
});

const createObject = (type: ObjectType, body: string, { state, now }: Context): SandboxAnswer => {
  const { properties, associations } = parse(Create, body);
  checkProperties(type, properties);
  const all = state.objects[type];
  const email = properties['email']?.toLowerCase();
  const existing = email && [...all.values()].find((one) => one.properties['email'] === email);
  if (existing) throw new HubSpotError(409, 'CONFLICT', `Contact already exists. Existing ID: ${existing.id}`);
  for (const { to } of associations) {
    if (!state.objects.companies.has(to.id)) throw validationError(`No company with id ${to.id}`);
  }
  const id = String(Math.max(...[...all.keys()].map(Number)) + 1);
  const at = new Date(now()).toISOString();
  const created: CrmObject = {
    id,
    createdAt: at,
    updatedAt: at,
    properties: { ...properties, ...(email && { email }), hs_object_id: id, createdate: at, hs_lastmodifieddate: at },
  };
  all.set(id, created);
  for (const { to } of associations) state.link(type, id, 'companies', to.id);
  return json(201, show(created, Object.keys(properties)));
};

const updateObject = (type: ObjectType, id: string, body: string, { state, now }: Context): SandboxAnswer => {
  const { properties } = parse(z.strictObject({ properties: Properties }), body);
  const found = state.objects[type].get(id);
  if (!found) throw new HubSpotError(404, 'OBJECT_NOT_FOUND', 'resource not found');
  checkProperties(type, properties);
  const email = properties['email']?.toLowerCase();
  const other = email && [...state.objects[type].values()].find((one) => one.properties['email'] === email);
  if (other && other.id !== id)
    throw new HubSpotError(409, 'CONFLICT', `Contact already exists. Existing ID: ${other.id}`);
  const stage = properties['dealstage'];
  found.updatedAt = new Date(now()).toISOString();
  Object.assign(found.properties, properties, email && { email }, stage && closed(stage), {
    hs_lastmodifieddate: found.updatedAt,
  });
  return json(200, show(found, Object.keys(properties)));
};

const ReadAssociations = z.strictObject({
  inputs: z
    .array(z.strictObject({ id: z.string(), after: z.string().optional() }))
    .min(1)
    .max(MAX_ASSOCIATIONS),
});

const readAssociations = (
  from: ObjectType,
  to: ObjectType,
  body: string,
  { state: { associations }, linksPerAnswer }: Context,
): SandboxAnswer => {
  const { inputs } = parse(ReadAssociations, body);
  const results: object[] = [];
  const errors: object[] = [];
  for (const { id, after } of inputs) {
    const links = associations.get(`${from}>${to}:${id}`) ?? [];
    if (links.length === 0) {
      errors.push({
        status: 'error',
        category: 'OBJECT_NOT_FOUND',
        subCategory: 'crm.associations.NO_ASSOCIATIONS_FOUND',
        message: `No ${TYPES[to].toLowerCase()} is associated with ${TYPES[from].toLowerCase()} ${id}.`,
        context: { fromObjectId: [id] },
      });
      continue;
    }
    const start = Number(after ?? 0);
    const page = links.slice(start, start + linksPerAnswer);
    results.push({
      from: { id },
      to: page.map(({ toId, typeIds }) => ({
        toObjectId: Number(toId),
        associationTypes: typeIds.map((typeId) => ({
          category: 'HUBSPOT_DEFINED',
          typeId,
          label: [1, 2, 5].includes(typeId) ? 'Primary' : null,
        })),
      })),
      ...(start + linksPerAnswer < links.length && { paging: { next: { after: String(start + linksPerAnswer) } } }),
    });
  }
  const answer = { status: 'COMPLETE', results };
  return errors.length === 0 ? json(200, answer) : json(207, { ...answer, numErrors: errors.length, errors });
};
