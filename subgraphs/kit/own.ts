import { GraphQLError } from 'graphql';
import { readPages } from '../../connectors/reads/paginate.ts';
import { type Connection, toConnection } from './connection.ts';
import { MAX_PAGE_SIZE } from './inputs.ts';

/*
 * A customer's own view of a domain is built from the customer's own lists. A record that is not in them is never read, so
 * that another customer's is answered as one that does not exist: with the same result and the same provider requests.
 */

type Page = { readonly first: number; readonly after?: string | null | undefined };

/** A list of a customer's records. */
export type OwnList<Node> = {
  readonly subgraph: string;
  /** The name of the list in errors, e.g. `own payments`. */
  readonly name: string;
  readonly load: (page: Page) => Promise<Connection<Node>>;
};

/** Visits the edges of a list after a cursor until `visit` returns true. */
const visitEdges = <Node>(
  { subgraph, name, load }: OwnList<Node>,
  after: Page['after'],
  visit: (edge: Connection<Node>['edges'][number]) => boolean,
): Promise<void> => {
  // All readers of a list use one page size, so that they share its cached pages.
  const visitPage = async (start: string | null) => {
    const { edges, pageInfo } = await load({ first: MAX_PAGE_SIZE, after: start });
    return edges.some(visit) || !pageInfo.hasNextPage ? undefined : (pageInfo.endCursor ?? undefined);
  };
  return readPages<string | null>(after ?? null, visitPage, { subgraph, operation: name });
};

/**
 * Returns the record with an id from a list; null if it is not in it. Throws the error of an invalid record if there is one
 * and no other has the id: it could be the one.
 */
export const findOwn = async <Node extends { readonly id: string }>(
  list: OwnList<Node>,
  id: string,
): Promise<Node | null> => {
  const found: Node[] = [];
  const invalid: Error[] = [];
  await visitEdges(list, null, ({ node }) => {
    if (node instanceof Error) invalid.push(node);
    else if (node.id === id) found.push(node);
    return found.length > 0;
  });
  if (found.length === 0 && invalid[0]) throw invalid[0];
  return found[0] ?? null;
};

/** Loads a page of the records of a list that match. An invalid record, which could match, is included. */
export const filterOwn = async <Node>(
  list: OwnList<Node>,
  matches: (node: Node) => boolean,
  { first, after }: Page,
): Promise<Connection<Node>> => {
  const edges: Connection<Node>['edges'][number][] = [];
  await visitEdges(list, after, (edge) => {
    if (edge.node instanceof Error || matches(edge.node)) edges.push(edge);
    return edges.length > first;
  });
  return toConnection(edges.slice(0, first), { after, hasNextPage: edges.length > first });
};

/** A write in a customer's own view. Throws FORBIDDEN. */
export const refuseWrite = async (): Promise<never> => {
  throw new GraphQLError('Customers may not change data.', { extensions: { code: 'FORBIDDEN' } });
};
