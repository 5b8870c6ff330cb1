import type { ApolloServerPlugin } from '@apollo/server';
import { toReport } from '../subgraphs/request.ts';
import type { RequestContext } from './context.ts';

/** Adds `extensions.tributary`: what of an answer is stale, and where it was asked for, what it has cost. */
export const reportPlugin: ApolloServerPlugin<RequestContext> = {
  requestDidStart: async () => ({
    willSendResponse: async ({ response, contextValue }) => {
      if (response.body.kind !== 'single') return;
      const report = toReport(contextValue.stale, contextValue.ledger);
      if (!report) return;
      const { singleResult } = response.body;
      singleResult.extensions = { ...singleResult.extensions, tributary: report };
    },
  }),
};
