import { ApolloClient, ApolloLink, type FieldPolicy, HttpLink, InMemoryCache } from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { relayStylePagination } from '@apollo/client/utilities';
import { type DocumentNode, getOperationAST, OperationTypeNode } from 'graphql';
import { getPersonToken } from '../../shared/src/people.ts';
import { operations } from './generated/operations.json';
import { createLiveLink, type StreamContext } from './live/live-link.ts';
import { outageLink } from './outages/outages.ts';
import { seenLink } from './search/seen.ts';
import type { SignIn } from './session/sign-in.ts';

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

/** Adds to each operation the token of who is signed in or, in development, of the sample person that was chosen. */
const createTokenLink = (session: SignIn | undefined): ApolloLink =>
  new SetContextLink(async ({ headers }) => {
    const token = (await session?.getToken()) ?? (await getPersonToken());
    return token === undefined ? {} : { headers: { ...headers, authorization: `Bearer ${token}` } };
  });

/** Creates the link that sends operations; subscriptions by multipart. */
const createTransport = (uri: string, session: SignIn | undefined): ApolloLink => {
  // Without it, the gateway rejects a GET as one that any web page could send.
  const options = { uri, headers: { 'apollo-require-preflight': 'yes' } };
  const forQueries = new HttpLink({
    ...options,
    ...(session && { fetch: async (input, init) => session.checkResponse(await fetch(input, init)) }),
  });
  return new ApolloLink((operation, forward) => {
    const { onResponse } = operation.getContext() as StreamContext;
    if (!onResponse) return forQueries.request(operation, forward);
    // HttpLink does not tell when a stream begins.
    const forStream = new HttpLink({
      ...options,
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        onResponse(response);
        return response;
      },
    });
    return forStream.request(operation, forward);
  });
};

/** Creates the page's Apollo Client, with persisted operations and lists that grow page by page. */
export const createClient = (uri: string, session: SignIn | undefined): ApolloClient =>
  new ApolloClient({
    clientAwareness: { name: 'desk' },
    link: ApolloLink.from([
      ApolloLink.split(
        ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
        createLiveLink({ needsSignIn: () => session?.hasExpired() ?? false }),
        ApolloLink.from([outageLink, seenLink]),
      ),
      createTokenLink(session),
      new PersistedQueryLink({ generateHash: idOf }),
      createTransport(uri, session),
    ]),
    cache: new InMemoryCache({
      typePolicies: {
        Query: { fields: { customers: pages(['filter']) } },
        Customer: { fields: { payments: pages(), deals: pages() } },
        Product: { keyFields: ['sku'] },
      },
    }),
  });
