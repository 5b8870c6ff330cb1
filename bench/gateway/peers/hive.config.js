import { defineConfig } from '@graphql-hive/gateway';

/* Hive Gateway with default options, forwarding the client's identity to the subgraphs. */

export const gatewayConfig = defineConfig({
  logging: false,
  propagateHeaders: {
    fromClientToSubgraphs: ({ request }) => ({ authorization: request.headers.get('authorization') ?? '' }),
  },
});
