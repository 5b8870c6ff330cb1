import mercuriusGateway from '@mercuriusjs/gateway';
import Fastify from 'fastify';

/* Mercurius' gateway with its JIT enabled. It composes the subgraphs itself. */

const base = process.env.SUBGRAPHS;
const app = Fastify();
app.register(mercuriusGateway, {
  jit: 1,
  gateway: {
    services: ['accounts', 'products', 'inventory', 'reviews'].map((name) => ({
      name,
      url: `${base}/${name}`,
      rewriteHeaders: (headers) => (headers.authorization ? { authorization: headers.authorization } : {}),
      connections: 64,
    })),
  },
});
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
