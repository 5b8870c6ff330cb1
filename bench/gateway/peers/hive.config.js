import { defineConfig } from '@graphql-hive/gateway';

/* Hive Gateway as it is, with the client's identity for the subgraphs. */

export const gatewayConfig = defineConfig({
  logging: false,
  propagateHeaders: {
    fromClientToSubgraphs: ({ request }) => ({ authorization: request.headers.get('authorization') ?? '' }),
  },
});
