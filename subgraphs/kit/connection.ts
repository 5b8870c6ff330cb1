import { createHash } from 'node:crypto';
import { z } from 'zod';
import { itemOrError, type Unusable } from '../../connectors/reads/items.ts';
import { readPages } from '../../connectors/reads/paginate.ts';
import { badInput } from './errors.ts';
import { MAX_PAGE_SIZE } from './inputs.ts';

/**
 * A page of a list as Relay's cursor connections define it: https://relay.dev/graphql/connections.htm
 * A node that cannot be used is an Error: null in the answer, while its cursor stays, so that paging goes on after it.
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

/** Where a page stands in its list. */
type PagePosition = {
  /** The cursor that the page was asked for with. */
  readonly after?: string | null | undefined;
  readonly hasNextPage: boolean;
  /** Where the next page begins; by default after the last edge. */
  readonly endCursor?: string | null;
};

/** Makes a connection of nodes and their cursors. */
export const toConnection = <Node>(
  edges: Connection<Node>['edges'],
  { after, hasNextPage, endCursor = edges.at(-1)?.cursor ?? null }: PagePosition,
): Connection<Node> => ({
  edges,
  pageInfo: {
    hasNextPage,
    // A cursor stands for an edge, which comes before whatever is after it.
    hasPreviousPage: Boolean(after),
    startCursor: edges[0]?.cursor ?? null,
    endCursor,
  },
});

/** Turns a position in a list into a cursor: opaque to clients, though no secret. */
export const writeCursor = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url');

/** Reads a cursor that `writeCursor` made. Throws BAD_USER_INPUT for anything else. */
export const readCursor = <Schema extends z.ZodType>(schema: Schema, cursor: string): z.output<Schema> => {
  let position: unknown;
  try {
    position = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw badInput('after', 'is no cursor of this list');
  }
  const parsed = schema.safeParse(position);
  if (!parsed.success) throw badInput('after', 'is no cursor of this list');
  return parsed.data;
};

/** A page as providers give it: items, and a token for the next page. */
export type ProviderPage<Item> = { readonly items: readonly Item[]; readonly next: string | undefined };

/** Which list is paged through, and by what; a cursor is good for this and nothing else. */
export type PagedList = {
  readonly upstream: string;
  readonly list: string;
  /** The filters, as they are sent to the provider. */
  readonly query: unknown;
  readonly first: number;
  readonly after?: string | null | undefined;
};

/**
 * A connection over a provider's list that is paged by tokens, so that every edge has a cursor and not only the last.
 * Asks for one page where `after` stands at the end of one, as in paging forward, and for two at most otherwise, unless
 * the provider gives less than it was asked for.
 *
 * A cursor of another list, or of this one with other filters, is refused: a token that is an id in a list is a number
 * of results in a search, and would give a wrong page without a word.
 */
export const pageThrough = async <Item>(
  { upstream, list, query, first, after }: PagedList,
  ask: (page: { token: string | undefined; limit: number }) => Promise<ProviderPage<Item | Unusable> | null>,
): Promise<Connection<Item>> => {
  const identity = createHash('sha256')
    .update(JSON.stringify([list, query]))
    .digest('base64url')
    .slice(0, 10);
  // The list, the token of a provider's page (null: the first), and how many of that page's items come before.
  const Position = z.tuple([
    z.literal(identity),
    z.string().max(500).nullable(),
    z.number().int().min(0).max(MAX_PAGE_SIZE),
  ]);
  const [, start, skip] = after ? readCursor(Position, after) : [identity, null, 0];
  const edges: { cursor: string; node: Item | Error }[] = [];
  let hasMore = false;
  const askPage = async ({ token, before }: { token: string | null; before: number }) => {
    const limit = Math.min(MAX_PAGE_SIZE, before + first - edges.length);
    const { items = [], next } = (await ask({ token: token ?? undefined, limit })) ?? {};
    const wanted = items.slice(before, before + first - edges.length);
    wanted.forEach((item, index) => {
      const position = before + index + 1;
      const endsPage = position === items.length && next !== undefined;
      const cursor = writeCursor(endsPage ? [identity, next, 0] : [identity, token, position]);
      edges.push({ cursor, node: itemOrError(upstream, item) });
    });
    hasMore = next !== undefined || before + wanted.length < items.length;
    return edges.length < first && next !== undefined ? { token: next, before: 0 } : undefined;
  };
  await readPages({ token: start, before: skip }, askPage, { upstream, operation: list });
  return toConnection(edges, { after, hasNextPage: hasMore });
};
