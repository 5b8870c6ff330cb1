import { z } from 'zod';
import type { SandboxResponse } from '../../../../sandbox/server.ts';
import type { Context } from './context.ts';
import { type BatchError, batchError, batchResponse, validationError } from './errors.ts';
import { parse, positionOf, TYPES, typeNamed } from './records.ts';
import { type HubSpotState, type ObjectType, TYPE_IDS } from './state.ts';

const MAX_ASSOCIATIONS = 1_000;

const ReadAssociations = z.strictObject({
  inputs: z
    .array(z.strictObject({ id: z.string(), after: z.string().optional() }))
    .min(1)
    .max(MAX_ASSOCIATIONS),
});

/** Returns the requested associations of a record by object type: one entry for each association type. */
export const associationsOf = (
  from: ObjectType,
  id: string,
  names: readonly string[],
  { associations }: HubSpotState,
): Record<string, { results: { id: string; type: string }[] }> => {
  const entries = names.flatMap((name) => {
    const to = typeNamed(name);
    if (!to) throw validationError(`Unable to infer object type from: ${name}`);
    const found = associations.get(`${from}>${to}:${id}`) ?? [];
    if (found.length === 0) return [];
    const type = `${TYPES[from]}_to_${TYPES[to]}`.toLowerCase();
    // Of two association types between the same object types, the second has no label.
    const unlabelled = TYPE_IDS[`${from}>${to}`]?.[1];
    const results = found.flatMap(({ toId, typeIds }) =>
      typeIds.map((typeId) => ({ id: toId, type: typeId === unlabelled ? `${type}_unlabeled` : type })),
    );
    return [[to.replace('_', ' '), { results }]];
  });
  return Object.fromEntries(entries);
};

/**
 * `POST /crm/associations/{version}/{from}/{to}/batch/read`. Ids are strings, as in the OpenAPI document; v4 returns numbers,
 * as in the examples of its guide.
 */
export const readAssociations = (
  from: ObjectType,
  to: ObjectType,
  body: string,
  isV4: boolean,
  { state: { associations }, now, associationsPerPage }: Context,
): SandboxResponse => {
  const { inputs } = parse(ReadAssociations, body);
  const results: object[] = [];
  const errors: BatchError[] = [];
  for (const { id, after } of inputs) {
    const found = associations.get(`${from}>${to}:${id}`) ?? [];
    if (found.length === 0) {
      const message = `No ${TYPES[to].toLowerCase()} is associated with ${TYPES[from].toLowerCase()} ${id}.`;
      const subCategory = 'crm.associations.NO_ASSOCIATIONS_FOUND';
      errors.push(batchError('OBJECT_NOT_FOUND', message, { fromObjectId: [id] }, subCategory));
      continue;
    }
    const start = positionOf(after);
    const page = found.slice(start, start + associationsPerPage);
    results.push({
      from: { id },
      to: page.map(({ toId, typeIds }) => ({
        toObjectId: isV4 ? Number(toId) : toId,
        associationTypes: typeIds.map((typeId) => ({
          category: 'HUBSPOT_DEFINED',
          typeId,
          label: [1, 2, 5, 6].includes(typeId) ? 'Primary' : null,
        })),
      })),
      ...(start + associationsPerPage < found.length && {
        paging: { next: { after: String(start + associationsPerPage) } },
      }),
    });
  }
  return batchResponse(200, now, results, errors);
};
