import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Sandbox } from '../../sandbox/server.ts';
import { freePort, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment, startSandbox } from '../helpers/sandboxes.ts';

/* Entities that a subgraph process cannot resolve, from any client that reaches its port. */

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox('hubspot');
});
afterAll(() => sandbox.close());

test('given entities that fail before one of an unknown type, then the process keeps answering', async () => {
  const port = await freePort();
  const subgraph = startProcess(['node', 'subgraphs/main.ts'], {
    SUBGRAPHS: 'crm',
    PORT: String(port),
    LOG_LEVEL: 'silent',
    ...sandboxEnvironment('hubspot', sandbox),
  });
  await expect.poll(() => subgraph.output()).toContain('answers at');
  const ask = async (representations: unknown) => {
    const response = await fetch(`http://127.0.0.1:${port}/crm`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: 'query($r: [_Any!]!) { _entities(representations: $r) { ... on Customer { email } } }',
        variables: { r: representations },
      }),
    });
    return response.status;
  };
  sandbox.fail({ status: 400, times: 1 });
  await ask([{ __typename: 'Customer', id: '101' }, { __typename: 'Nope' }]);
  await ask([
    { __typename: 'Customer', id: '101' },
    { __typename: 'Customer', email: 5 },
  ]);
  expect(await ask([{ __typename: 'Customer', id: '101' }])).toBe(200);
  await subgraph.stop();
});
