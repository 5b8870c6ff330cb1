import { ApolloClient, ApolloLink, type FieldPolicy, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { relayStylePagination } from '@apollo/client/utilities';
import { type DocumentNode, getOperationAST } from 'graphql';
import { operations } from './generated/operations.json';
import { outageLink } from './outages/outages.ts';
import { tokenLink } from './person.ts';
import { seenLink } from './search/seen.ts';

const IDS = new Map(operations.map(({ name, id }) => [name, id]));

/** An operation's id in the manifest. */
const idOf = (document: DocumentNode): string => {
  const name = getOperationAST(document)?.name?.value ?? '';
  const id = IDS.get(name);
  if (!id) throw new Error(`The manifest has no operation ${name}: npm run codegen makes it.`);
  return id;
};

/**
 * A list that grows page by page. Apollo's own takes a list that could not be read for one that is empty; here it is
 * null, as the graph says, and a page that could not be read leaves the ones before it.
 */
const pages = (keyArgs?: string[]): FieldPolicy => {
  const { merge, ...policy } = relayStylePagination(keyArgs);
  return {
    ...policy,
    read: (existing, options) => (existing === null ? null : policy.read?.(existing, options)),
    merge: (existing, incoming, options) => {
      if (incoming === null) return options.args?.['after'] ? existing : null;
      return typeof merge === 'function' ? merge(existing ?? undefined, incoming, options) : incoming;
    },
  };
};

/** Apollo Client as this page uses it: operations by their ids, lists that grow page by page. */
export const createClient = (uri: string): ApolloClient =>
  new ApolloClient({
    clientAwareness: { name: 'desk' },
    link: ApolloLink.from([
      outageLink,
      seenLink,
      tokenLink,
      new PersistedQueryLink({ generateHash: idOf }),
      // Without it the gateway takes a GET for a link that any web page could have.
      new HttpLink({ uri, headers: { 'apollo-require-preflight': 'yes' } }),
    ]),
    cache: new InMemoryCache({
      typePolicies: {
        Query: { fields: { customers: pages(['filter']) } },
        Customer: { fields: { payments: pages(), deals: pages() } },
        Product: { keyFields: ['sku'] },
      },
    }),
  });
