import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApolloGateway } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import { type ASTNode, parse, print, visit } from 'graphql';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { CustomersDocument, PaymentDocument, ProductsDocument } from '../../clients/explorer/src/generated/graphql.ts';
import { CustomerOverviewDocument } from '../../clients/web/src/generated/graphql.ts';
import { createCompany } from '../../sandbox/company.ts';
import { ROOT, type Spawned, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

/* The graph is plain Federation 2: stock `@apollo/gateway`, in front of the same subgraphs, gives the same responses. */

let stack: Stack;
let subgraphs: Spawned;
let gateway: ApolloGateway;
let server: ApolloServer;

/** Returns a supergraph without the scopes that it requires, which `@apollo/gateway` cannot check. */
const withoutScopes = (sdl: string): string => {
  const remove = (node: ASTNode) => (print(node).includes('requiresScopes') ? null : undefined);
  return print(visit(parse(sdl), { Directive: remove, DirectiveDefinition: remove, ScalarTypeDefinition: remove }));
};

beforeAll(async () => {
  // Read when the package is loaded.
  vi.stubEnv('APOLLO_TELEMETRY_DISABLED', 'true');
  const { ApolloGateway } = await import('@apollo/gateway');
  stack = await startStack();
  subgraphs = startProcess(['node', 'subgraphs/main.ts'], {
    SUBGRAPHS: 'payments,crm,inventory',
    PORT: '0',
    LOG_LEVEL: 'silent',
    ...sandboxEnvironment('stripe', stack.stripe),
    ...sandboxEnvironment('hubspot', stack.hubspot),
    ...sandboxEnvironment('openmage', stack.openmage),
  });
  const urlOf = (name: string) => new RegExp(`${name} answers at (\\S+)`).exec(subgraphs.output())?.[1];
  await vi.waitFor(() => expect(['payments', 'crm', 'inventory'].map(urlOf)).not.toContain(undefined), 120_000);
  const supergraphSdl = withoutScopes(readFileSync(join(ROOT, 'gateway/supergraph.graphql'), 'utf8')).replaceAll(
    /@join__graph\(name: "(\w+)", url: "[^"]*"\)/g,
    (_, name: string) => `@join__graph(name: "${name}", url: "${urlOf(name)}")`,
  );
  gateway = new ApolloGateway({ supergraphSdl });
  server = new ApolloServer({ gateway });
});

afterAll(async () => {
  await server?.stop();
  await subgraphs?.stop();
  await stack?.close();
  vi.unstubAllEnvs();
});

const ask = async (query: string, variables: Record<string, unknown>) => {
  const { body } = await server.executeOperation({ query, variables });
  if (body.kind !== 'single') throw new Error('The response is incremental.');
  return JSON.parse(JSON.stringify(body.singleResult));
};

test('given the operations of the desk and the explorer, then it gives the same responses', async () => {
  const id = createCompany().accounts[0]?.payments[0]?.id ?? '';
  for (const [document, variables] of [
    [CustomerOverviewDocument, { email: 'ada.lindqvist@customers.example' }],
    [CustomersDocument, {}],
    [ProductsDocument, { skus: ['OABR-S', 'NO-SUCH', 'ZIWA-XL'] }],
    [PaymentDocument, { id }],
  ] as const) {
    const query = print(document);
    const { data, errors } = await ask(query, variables);
    expect(errors).toBeUndefined();
    expect(data).toEqual((await stack.ask(query, variables)).data);
  }
});
