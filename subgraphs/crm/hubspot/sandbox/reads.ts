import { z } from 'zod';
import type { SandboxRequest, SandboxResponse } from '../../../../sandbox/server.ts';
import { associationsOf } from './associations.ts';
import type { Context } from './context.ts';
import { batchError, batchResponse, json, notFound, validationError } from './errors.ts';
import { findBy, namesIn, parse, positionOf, show, TYPES } from './records.ts';
import { SearchRequest, search } from './search.ts';
import type { CrmObject, HubSpotState, ObjectType } from './state.ts';

export const MAX_BATCH = 100;

// Property history makes responses larger, so the batch size is lower.
const MAX_BATCH_WITH_HISTORY = 50;

const BatchRead = z.strictObject({
  inputs: z.array(z.strictObject({ id: z.string() })),
  properties: z.array(z.string()).default([]),
  propertiesWithHistory: z.array(z.string()).default([]),
  idProperty: z.string().optional(),
});

/** Returns the records that a request refers to: the active ones, or with `archived=true` the archived ones. */
const recordsFor = (type: ObjectType, query: URLSearchParams, { objects, archived }: HubSpotState) =>
  (query.get('archived') === 'true' ? archived : objects)[type];

/** `POST /crm/objects/{version}/{type}/batch/read` */
export const batchRead = (
  type: ObjectType,
  { body, query }: SandboxRequest,
  { state, now }: Context,
): SandboxResponse => {
  const { inputs, idProperty, ...shown } = parse(BatchRead, body);
  const max = shown.propertiesWithHistory.length > 0 ? MAX_BATCH_WITH_HISTORY : MAX_BATCH;
  if (inputs.length > max) throw validationError(`The size of the batch is over ${max}.`);
  const records = recordsFor(type, query, state);
  const results: CrmObject[] = [];
  const missing: string[] = [];
  for (const { id } of inputs) {
    const found = findBy(records, id, idProperty);
    if (!found) missing.push(id);
    else if (!results.includes(found)) results.push(found);
  }
  // Deliberately not in the requested order.
  results.sort((a, b) => Number(b.id) - Number(a.id));
  const message = `Could not get some ${TYPES[type]} objects, they may be deleted or not exist. Check that ids are valid.`;
  return batchResponse(
    200,
    now,
    results.map((one) => show(one, shown)),
    missing.length === 0 ? [] : [batchError('OBJECT_NOT_FOUND', message, { ids: missing })],
  );
};

/** `POST /crm/objects/{version}/{type}/search` */
export const searchObjects = (type: ObjectType, body: string, { objects }: HubSpotState): SandboxResponse => {
  const request = parse(SearchRequest, body);
  const { total, start, results } = search(objects[type].values(), request);
  const next = start + results.length;
  return json(200, {
    total,
    results: results.map((one) => show(one, request)),
    ...(next < total && { paging: { next: { after: String(next) } } }),
  });
};

/** Returns a record with the properties and associations that a GET requests. */
const showRequested = (type: ObjectType, record: CrmObject, query: URLSearchParams, state: HubSpotState) => {
  const associations = associationsOf(type, record.id, namesIn(query, 'associations'), state);
  return {
    ...show(record, {
      properties: namesIn(query, 'properties'),
      propertiesWithHistory: namesIn(query, 'propertiesWithHistory'),
    }),
    ...(Object.keys(associations).length > 0 && { associations }),
  };
};

/** `GET /crm/objects/{version}/{type}` */
export const listObjects = (type: ObjectType, query: URLSearchParams, { state }: Context): SandboxResponse => {
  const limit = Number(query.get('limit') ?? 10);
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw validationError('limit must be 1 to 100');
  // The cursor is the last id of the previous page.
  const after = positionOf(query.get('after'));
  const all = [...recordsFor(type, query, state).values()].sort((a, b) => Number(a.id) - Number(b.id));
  const rest = all.filter(({ id }) => Number(id) >= after);
  const next = rest[limit];
  return json(200, {
    results: rest.slice(0, limit).map((one) => showRequested(type, one, query, state)),
    ...(next && { paging: { next: { after: next.id, link: `?after=${next.id}` } } }),
  });
};

/** `GET /crm/objects/{version}/{type}/{id}` */
export const readObject = (
  type: ObjectType,
  id: string,
  { query }: SandboxRequest,
  { state }: Context,
): SandboxResponse => {
  const found = findBy(recordsFor(type, query, state), id, query.get('idProperty'));
  if (!found) throw notFound('Object not found.  objectId are usually numeric.');
  return json(200, showRequested(type, found, query, state));
};
