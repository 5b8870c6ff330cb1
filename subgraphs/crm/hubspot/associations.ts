import { z } from 'zod';
import { isUnusable, toItemError, type Unusable } from '../../../connectors/reads/items.ts';
import { unusableResponse } from '../../../connectors/transports/parse.ts';
import { type Connection, readCursor, toConnection, writeCursor } from '../../kit/connection.ts';
import { presentOf } from '../../kit/present.ts';
import type { Page } from '../model.ts';
import { RecordId } from './record-id.ts';
import type { ApiAssociation } from './wire-types.ts';

/** What a record is linked to, as it is read. */
export type Associations = readonly (ApiAssociation | Unusable)[];

type Load<Item> = (ids: readonly string[]) => Promise<(Item | Error | null)[]>;

/**
 * The company that counts: the primary one, or the first where none is. Throws UPSTREAM_BAD_RESPONSE where one of the links may
 * be the primary one and does not say so.
 */
export const primaryOf = (associations: Associations): string | undefined => {
  let first: ApiAssociation | undefined;
  let problem: Error | undefined;
  for (const link of associations) {
    if (isUnusable(link)) problem ??= toItemError('crm', link);
    else if (link.isPrimary) return link.id;
    else {
      first ??= link;
      if (link.isPrimary === null && associations.length > 1) {
        problem ??= unusableResponse({ upstream: 'crm', operation: 'associations' }, 'unexpected associationTypes');
      }
    }
  }
  if (problem) throw problem;
  return first?.id;
};

/** The linked records, in the order of the links. A link that cannot be read is an Error behind them. */
export const loadAssociated = async <Item>(
  associations: Associations,
  loadMany: Load<Item>,
): Promise<(Item | Error)[]> => {
  const ids = associations.flatMap((link) => (isUnusable(link) ? [] : [link.id]));
  const unusable = associations.filter(isUnusable).map((link) => toItemError('crm', link));
  return [...presentOf(await loadMany(ids)), ...unusable];
};

/** Comes after the last of the linked records: where links that cannot be read stand. */
const LAST_POSITION = '0';

/** Reads the cursor of a linked record. Throws BAD_USER_INPUT for anything else. */
export const readPosition = (after: Page['after']): string | undefined =>
  after ? readCursor(z.union([RecordId, z.literal(LAST_POSITION)]), after) : undefined;

/** A page of the linked records, newest first, after the record `before`. */
export const pageOfNewest = async <Item>(
  associations: Associations,
  loadMany: Load<Item>,
  { first, after }: Page,
  before: string | undefined,
): Promise<Connection<Item>> => {
  // Ids grow with time, so the highest is the newest.
  const ids = associations
    .flatMap((link) => (isUnusable(link) ? [] : [BigInt(link.id)]))
    .sort((a, b) => (a < b ? 1 : -1))
    .filter((id) => before === undefined || id < BigInt(before))
    .map(String);
  const unusable = before === LAST_POSITION ? [] : associations.filter(isUnusable);
  const page = ids.slice(0, first);
  const records = await loadMany(page);
  // Throws where the provider failed as a whole.
  presentOf(records);
  const edges = [
    ...records.flatMap((node, index) => (node === null ? [] : [{ cursor: writeCursor(page[index]), node }])),
    ...unusable
      .slice(0, first - page.length)
      .map((link) => ({ cursor: writeCursor(LAST_POSITION), node: toItemError('crm', link) })),
  ];
  // The page ends where its ids end, even where the last records of it have been deleted.
  const last = page.length < first && unusable.length > 0 ? LAST_POSITION : page.at(-1);
  const hasNextPage = ids.length + unusable.length > first;
  return toConnection(edges, { after, hasNextPage, endCursor: last ? writeCursor(last) : null });
};
