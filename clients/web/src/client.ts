import { ApolloClient, ApolloLink, type FieldPolicy, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { relayStylePagination } from '@apollo/client/utilities';
import { type DocumentNode, getOperationAST } from 'graphql';
import { operations } from './generated/operations.json';
import { outageLink } from './outages/outages.ts';
import { tokenLink } from './person.ts';
import { seenLink } from './search/seen.ts';

const IDS = new Map(operations.map(({ name, id }) => [name, id]));

/** Returns an operation's id from the manifest. */
const idOf = (document: DocumentNode): string => {
  const name = getOperationAST(document)?.name?.value ?? '';
  const id = IDS.get(name);
  if (!id) throw new Error(`The manifest has no operation ${name}: npm run codegen makes it.`);
  return id;
};

/**
 * Creates the policy of a list that grows page by page. Apollo's own policy treats an unreadable list as empty; here it
 * is null, as in the response. An unreadable further page keeps the pages before it.
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

/** Creates the page's Apollo Client, with persisted operations and lists that grow page by page. */
export const createClient = (uri: string): ApolloClient =>
  new ApolloClient({
    clientAwareness: { name: 'desk' },
    link: ApolloLink.from([
      outageLink,
      seenLink,
      tokenLink,
      new PersistedQueryLink({ generateHash: idOf }),
      // Without it, the gateway rejects a GET as one that any web page could send.
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
