import { z } from 'zod';
import type { SandboxAnswer } from '../server.ts';
import { json, validationError } from './errors.ts';
import { parse, show, TYPES } from './records.ts';
import { SearchRequest, search } from './search.ts';
import type { CrmObject, HubSpotState, ObjectType } from './state.ts';

const MAX_BATCH = 100;

const BatchRead = z.strictObject({
  inputs: z.array(z.strictObject({ id: z.string() })),
  properties: z.array(z.string()).default([]),
  idProperty: z.string().optional(),
});

/** `POST /crm/v3/objects/{type}/batch/read` */
export const batchRead = (type: ObjectType, body: string, { objects }: HubSpotState): SandboxAnswer => {
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

/** `POST /crm/v3/objects/{type}/search` */
export const searchObjects = (type: ObjectType, body: string, { objects }: HubSpotState): SandboxAnswer => {
  const request = parse(SearchRequest, body);
  const { total, start, results } = search(objects[type].values(), request);
  const next = start + results.length;
  return json(200, {
    total,
    results: results.map((one) => show(one, request.properties)),
    ...(next < total && { paging: { next: { after: String(next) } } }),
  });
};

/** `GET /crm/v3/objects/{type}` */
export const listObjects = (type: ObjectType, query: URLSearchParams, { objects }: HubSpotState): SandboxAnswer => {
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
