import type { ApolloServerPlugin } from '@apollo/server';
import type { GraphQLFormattedError } from 'graphql';
import type { StaleNote } from '../subgraphs/field.ts';
import { toReport } from '../subgraphs/request.ts';
import type { RequestContext } from './context.ts';

/** The code of what is no error but travels with them. Never reaches a client. */
export const STALE_MARKER = 'TRIBUTARY_STALE';

/**
 * Puts a note about a stale value among a fetch's errors. The executor knows the client's path of a fetch and tells it to
 * nobody, but it completes the paths of errors.
 */
export const toStaleMarker = ({ path, provider, ageMs }: StaleNote): GraphQLFormattedError => ({
  message: 'stale',
  path,
  extensions: { code: STALE_MARKER, provider, ageMs },
});

const isMarker = ({ extensions }: GraphQLFormattedError): boolean => extensions?.['code'] === STALE_MARKER;

const toNote = ({ path = [], extensions }: GraphQLFormattedError): StaleNote => ({
  path,
  provider: String(extensions?.['provider']),
  ageMs: Number(extensions?.['ageMs']),
});

/** Adds `extensions.tributary`: what of an answer is stale, and where it was asked for, what it has cost. */
export const reportPlugin: ApolloServerPlugin<RequestContext> = {
  requestDidStart: async () => ({
    willSendResponse: async ({ response, contextValue }) => {
      if (response.body.kind !== 'single') return;
      const { singleResult } = response.body;
      const stale = singleResult.errors?.filter(isMarker).map(toNote) ?? [];
      const errors = singleResult.errors?.filter((error) => !isMarker(error)) ?? [];
      if (errors.length > 0) singleResult.errors = errors;
      else delete singleResult.errors;
      const report = toReport(stale, contextValue.ledger);
      if (report) singleResult.extensions = { ...singleResult.extensions, tributary: report };
    },
  }),
};
