import { z } from 'zod';
import type { SandboxAnswer } from '../server.ts';
import { json } from './errors.ts';
import { type Context, parse, TYPES } from './records.ts';
import type { ObjectType } from './state.ts';

const MAX_ASSOCIATIONS = 1_000;

const ReadAssociations = z.strictObject({
  inputs: z
    .array(z.strictObject({ id: z.string(), after: z.string().optional() }))
    .min(1)
    .max(MAX_ASSOCIATIONS),
});

/** `POST /crm/v4/associations/{from}/{to}/batch/read` */
export const readAssociations = (
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
