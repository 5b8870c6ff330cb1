import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type InvalidItem, itemOrError } from '../../connectors/reads/items.ts';
import { readPages } from '../../connectors/reads/paginate.ts';
import { badInput } from './errors.ts';
import { MAX_PAGE_SIZE } from './inputs.ts';

/**
 * A page of a list, as in Relay's cursor connections: https://relay.dev/graphql/connections.htm
 * An invalid node is an Error. It becomes null in the response but keeps its cursor, so that paging can continue after it.
 */
export type Connection<Node> = {
  readonly edges: readonly { readonly cursor: string; readonly node: Node | Error }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
};

/** The position of a page in its list. */
type PagePosition = {
  /** The cursor that the page was requested with. */
  readonly after?: string | null | undefined;
  readonly hasNextPage: boolean;
  /** The cursor of the next page. Default: the last edge's. */
  readonly endCursor?: string | null;
};

/** Creates a connection from nodes and their cursors. */
export const toConnection = <Node>(
  edges: Connection<Node>['edges'],
  { after, hasNextPage, endCursor = edges.at(-1)?.cursor ?? null }: PagePosition,
): Connection<Node> => ({
  edges,
  pageInfo: {
    hasNextPage,
    // A cursor belongs to an edge, which precedes this page.
    hasPreviousPage: Boolean(after),
    startCursor: edges[0]?.cursor ?? null,
    endCursor,
  },
});

/** Encodes a position in a list as a cursor. Opaque to clients, but not secret. */
export const writeCursor = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url');

/** Decodes a cursor of `writeCursor`. Throws BAD_USER_INPUT for anything else. */
export const readCursor = <Schema extends z.ZodType>(schema: Schema, cursor: string): z.output<Schema> => {
  let position: unknown;
  try {
    position = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw badInput('after', 'is not a cursor of this list');
  }
  const parsed = schema.safeParse(position);
  if (!parsed.success) throw badInput('after', 'is not a cursor of this list');
  return parsed.data;
};

/** A page as providers return it: items, and a token for the next page. */
export type ProviderPage<Item> = { readonly items: readonly Item[]; readonly next: string | undefined };

/** A request for a page of a list. A cursor is only valid for the same list and query. */
export type PagedList = {
  readonly subgraph: string;
  readonly list: string;
  /** The filters, as sent to the provider. */
  readonly query: unknown;
  readonly first: number;
  readonly after?: string | null | undefined;
};

/**
 * Loads a connection over a provider's list that is paged by tokens, giving every edge a cursor, not only the last one.
 * Requests one provider page if `after` is at the end of one, as in paging forward, and at most two otherwise, unless the
 * provider returns fewer items than requested.
 *
 * Rejects a cursor of another list, or of this one with other filters: a token is an id in a list but an offset in a
 * search, and would silently return a wrong page.
 */
export const pageThrough = async <Item>(
  { subgraph, list, query, first, after }: PagedList,
  fetchPage: (page: { token: string | undefined; limit: number }) => Promise<ProviderPage<Item | InvalidItem> | null>,
): Promise<Connection<Item>> => {
  const identity = createHash('sha256')
    .update(JSON.stringify([list, query]))
    .digest('base64url')
    .slice(0, 10);
  // The list, the token of a provider's page (null: the first), and the number of that page's items before the position.
  const Position = z.tuple([
    z.literal(identity),
    z.string().max(500).nullable(),
    z.number().int().min(0).max(MAX_PAGE_SIZE),
  ]);
  const [, start, skip] = after ? readCursor(Position, after) : [identity, null, 0];
  const edges: { cursor: string; node: Item | Error }[] = [];
  let hasMore = false;
  const readPage = async ({ token, before }: { token: string | null; before: number }) => {
    const limit = Math.min(MAX_PAGE_SIZE, before + first - edges.length);
    const { items = [], next } = (await fetchPage({ token: token ?? undefined, limit })) ?? {};
    const wanted = items.slice(before, before + first - edges.length);
    wanted.forEach((item, index) => {
      const position = before + index + 1;
      const endsPage = position === items.length && next !== undefined;
      const cursor = writeCursor(endsPage ? [identity, next, 0] : [identity, token, position]);
      edges.push({ cursor, node: itemOrError(subgraph, item) });
    });
    hasMore = next !== undefined || before + wanted.length < items.length;
    return edges.length < first && next !== undefined ? { token: next, before: 0 } : undefined;
  };
  await readPages({ token: start, before: skip }, readPage, { subgraph, operation: list });
  return toConnection(edges, { after, hasNextPage: hasMore });
};
