import { print } from 'graphql';
import { CustomersDocument, PaymentDocument, ProductsDocument } from '../../clients/explorer/src/generated/graphql.ts';
import { CustomerOverviewDocument } from '../../clients/web/src/generated/graphql.ts';
import { createLog } from '../../runtime/log.ts';
import { createCompany } from '../../sandbox/company.ts';
import { readConfig } from '../../subgraphs/config.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { createProcessInfrastructure } from '../../subgraphs/kit/infrastructure.ts';
import { serve } from '../../subgraphs/kit/serve.ts';
import type { Operation } from './load.ts';
import { startReplay } from './replay.ts';

/* The product's subgraphs over HTTP, over the sandboxes. */

const company = createCompany();

/** The product's own queries, for some of the company's customers, payments and products. */
export const OPERATIONS: readonly Operation[] = [0, 1, 2, 3, 4].flatMap((index) => [
  { query: print(CustomerOverviewDocument), variables: { email: company.people[index]?.email } },
  { query: print(CustomersDocument), variables: {} },
  {
    query: print(ProductsDocument),
    variables: { skus: company.products.slice(index * 20, index * 20 + 100).map(({ sku }) => sku) },
  },
  { query: print(PaymentDocument), variables: { id: company.accounts[index]?.payments[0]?.id } },
]);

/** Starts the subgraphs, each at `/<its name>`. */
const start = async (port: number): Promise<void> => {
  const log = createLog('error');
  const { infrastructure, health } = await createProcessInfrastructure({}, log);
  const environments = await Promise.all(
    subgraphs.map(async ({ provider }) => {
      const sandbox = await provider.sandbox?.();
      return sandbox ? sandbox.environment(await sandbox.start()) : {};
    }),
  );
  const env = Object.assign({}, ...environments);
  const served = await serve(
    subgraphs.map(({ create }) => create(env, infrastructure)),
    { ...readConfig({ SUBGRAPHS: 'payments', PORT: '0' }), log, health },
  );
  startReplay(port, async (path, body) => {
    const headers = { 'content-type': 'application/json' };
    return (await fetch(served.url + path, { method: 'POST', headers, body })).text();
  });
};

if (import.meta.main) await start(Number(process.env['PORT']));
