import { z } from 'zod';
import { type InvalidItem, isInvalidItem, toItemError } from '../../../connectors/reads/items.ts';
import { unusableResponse } from '../../../connectors/transports/parse.ts';
import { type Connection, readCursor, toConnection, writeCursor } from '../../kit/connection.ts';
import { presentOf } from '../../kit/present.ts';
import type { Page } from '../model.ts';
import { RecordId } from './record-id.ts';
import type { ApiAssociation } from './wire-types.ts';

/** The associations of a record, as read. */
export type Associations = readonly (ApiAssociation | InvalidItem)[];

type Load<Item> = (ids: readonly string[]) => Promise<(Item | Error | null)[]>;

/**
 * Returns the id of the primary company, or of the first one if none is primary. Throws UPSTREAM_BAD_RESPONSE if an
 * association may be the primary one but does not say so.
 */
export const primaryOf = (associations: Associations): string | undefined => {
  let first: ApiAssociation | undefined;
  let problem: Error | undefined;
  for (const association of associations) {
    if (isInvalidItem(association)) problem ??= toItemError('crm', association);
    else if (association.isPrimary) return association.id;
    else {
      first ??= association;
      if (association.isPrimary === null && associations.length > 1) {
        problem ??= unusableResponse({ subgraph: 'crm', operation: 'associations' }, 'unexpected associationTypes');
      }
    }
  }
  if (problem) throw problem;
  return first?.id;
};

/** Loads the associated records, in the order of the associations. Errors of invalid associations come last. */
export const loadAssociated = async <Item>(
  associations: Associations,
  loadMany: Load<Item>,
): Promise<(Item | Error)[]> => {
  const ids = associations.flatMap((association) => (isInvalidItem(association) ? [] : [association.id]));
  const invalid = associations.filter(isInvalidItem).map((association) => toItemError('crm', association));
  return [...presentOf(await loadMany(ids)), ...invalid];
};

/** The position after all associated records, where invalid associations are listed. */
const LAST_POSITION = '0';

/** Reads the cursor of an associated record. Throws BAD_USER_INPUT for anything else. */
export const readPosition = (after: Page['after']): string | undefined =>
  after ? readCursor(z.union([RecordId, z.literal(LAST_POSITION)]), after) : undefined;

/** Loads a page of the associated records, newest first, with ids below `before`. */
export const pageOfNewest = async <Item>(
  associations: Associations,
  loadMany: Load<Item>,
  { first, after }: Page,
  before: string | undefined,
): Promise<Connection<Item>> => {
  // Ids increase over time, so the highest id is the newest record.
  const ids = associations
    .flatMap((association) => (isInvalidItem(association) ? [] : [BigInt(association.id)]))
    .sort((a, b) => (a < b ? 1 : -1))
    .filter((id) => before === undefined || id < BigInt(before))
    .map(String);
  const invalid = before === LAST_POSITION ? [] : associations.filter(isInvalidItem);
  const page = ids.slice(0, first);
  const records = await loadMany(page);
  // Throws if all records failed for the same reason.
  presentOf(records);
  const edges = [
    ...records.flatMap((node, index) => (node === null ? [] : [{ cursor: writeCursor(page[index]), node }])),
    ...invalid
      .slice(0, first - page.length)
      .map((association) => ({ cursor: writeCursor(LAST_POSITION), node: toItemError('crm', association) })),
  ];
  // The page ends at its last id, even if the last records were deleted.
  const last = page.length < first && invalid.length > 0 ? LAST_POSITION : page.at(-1);
  const hasNextPage = ids.length + invalid.length > first;
  return toConnection(edges, { after, hasNextPage, endCursor: last ? writeCursor(last) : null });
};
