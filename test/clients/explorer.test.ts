import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import variables from '../../clients/explorer/src/examples/variables.json' with { type: 'json' };
import { type OpenPage, type StartedBrowser, startBrowser } from '../helpers/browser.ts';
import { startForeign } from '../helpers/foreign.ts';
import { ROOT } from '../helpers/processes.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';

const EXAMPLES = join(ROOT, 'clients/explorer/src/examples');

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

const pathsOf = async (url: string, paths: readonly string[]) =>
  Promise.all(
    paths.map(
      async (path) => (await fetch(`${url}${path}`, { redirect: 'manual', headers: { accept: 'text/html' } })).status,
    ),
  );
const PAGES = ['/', '/graphiql', '/desk', '/schema.graphql', '/codegen.mjs'];

test('every example has an answer, and its first line says what it is', async () => {
  const files = readdirSync(EXAMPLES).filter((file) => file.endsWith('.graphql'));
  expect(files.length).toBeGreaterThan(3);
  for (const file of files) {
    const example = readFileSync(join(EXAMPLES, file), 'utf8');
    const name = /query (\w+)/.exec(example)?.[1] ?? '';
    expect(example).toMatch(/^# [A-Z].*\.\n/);
    const { data, errors } = await stack.ask(example, (variables as Record<string, object>)[name]);
    expect([file, errors]).toEqual([file, undefined]);
    expect(Object.values(data ?? {})).not.toContain(null);
  }
});

test('the Sandbox of Apollo is at /, and asks for what queries cost', async () => {
  const response = await fetch(`${stack.url}/`, { headers: { accept: 'text/html' } });
  expect(response.url).toBe(`${stack.url}/graphql`);
  const page = await response.text();
  expect(page).toContain('embeddable-sandbox');
  expect(page).toContain('x-tributary-report');
  expect(page).toContain('"runTelemetry":false');
});

test('in production there are pages only where they are asked for', async () => {
  const closed = await stack.startAnother({ NODE_ENV: 'production' });
  expect(await pathsOf(closed.url, PAGES)).toEqual([404, 404, 404, 404, 404]);
  const opened = await stack.startAnother({ NODE_ENV: 'production', EXPLORER: 'on', DESK: 'on' });
  // Who may not read the schema does not get it as a file either.
  expect(await pathsOf(opened.url, PAGES)).toEqual([302, 200, 200, 404, 404]);
  await Promise.all([closed.close(), opened.close()]);
});

test('a page’s files may be kept, the page itself may not, and nobody may frame it', async () => {
  const page = await fetch(`${stack.url}/graphiql/`);
  expect(page.headers.get('cache-control')).toBe('no-cache');
  expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  const [asset = ''] = /\/graphiql\/assets\/[^"]+\.js/.exec(await page.text()) ?? [];
  const script = await fetch(`${stack.url}${asset}`);
  expect(script.headers.get('content-type')).toContain('javascript');
  expect(script.headers.get('cache-control')).toContain('immutable');
  expect((await fetch(`${stack.url}/graphiql/assets/gone.js`)).status).toBe(404);
  expect((await fetch(`${stack.url}/graphiql/..%2f..%2fpackage.json`)).headers.get('content-type')).not.toContain(
    'json',
  );
});

describe.skipIf(!hasTool('chromium'))('the explorer', () => {
  let browser: StartedBrowser;
  let opened: OpenPage;
  let hosts: Set<string>;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    expect(opened.complaints).toEqual([]);
    await opened.page.context().close();
  });

  const open = async (url: string): Promise<Page> => {
    opened = await browser.open('about:blank', { viewport: { width: 1500, height: 950 } });
    const { page } = opened;
    hosts = new Set();
    page.on('request', (request) => hosts.add(new URL(request.url()).host));
    await page.goto(`${url}/graphiql`);
    await page.getByRole('button', { name: /^Execute query/ }).waitFor();
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
    return page;
  };
  const run = (page: Page) => page.getByRole('button', { name: /^Execute query/ }).click();
  const costOf = async (page: Page): Promise<string> => {
    const line = page.getByText(/^\d+ provider calls?, \d/);
    await line.waitFor();
    return line.innerText();
  };
  const calls = () =>
    [stack.hubspot, stack.stripe, stack.openmage].reduce((sum, { calls: all }) => sum + all.length, 0);

  test('answers an example, and says what it has cost: in numbers, in time, and by which plan', async () => {
    await stack.ask('{ product(sku: "OABR-S") { sku } }');
    stack.reset();
    const page = await open(stack.url);
    await run(page);
    const cost = await costOf(page);
    expect(cost).toMatch(new RegExp(`^${calls()} provider calls, 3 subgraph fetches, `));

    const panel = page.getByRole('region', { name: 'Cost' });
    const rows = panel.getByRole('table', { name: 'Fetches and provider calls in time' }).locator('tbody tr');
    expect(await rows.locator('nth=0').innerText()).toMatch(/^gateway reads and plans/);
    expect(await rows.locator('nth=1').innerText()).toMatch(/^crm root fields/);
    expect(await panel.locator('tr.fetch').count()).toBe(3);
    expect(await panel.locator('tr.call').count()).toBe(calls());
    const bars = await panel.locator('.bar').evaluateAll((all) => all.map((bar) => bar.getBoundingClientRect()));
    const cell = await panel.locator('td').first().boundingBox();
    for (const { left, right } of bars) {
      expect(left).toBeGreaterThanOrEqual((cell?.x ?? Number.NaN) - 1);
      expect(right).toBeLessThanOrEqual((cell?.x ?? 0) + (cell?.width ?? 0) + 3);
    }

    const plan = panel.getByRole('figure', { name: 'Query plan' });
    expect(await plan.locator('ol.sequence > li').count()).toBe(2);
    expect(await plan.locator('ol.parallel').innerText()).toMatch(/payments[\s\S]*inventory/);
    await plan.getByText('payments', { exact: true }).click();
    expect(await plan.locator('pre:visible').innerText()).toContain('_entities');

    // The answer itself stays readable.
    expect(await page.locator('.graphiql-response').innerText()).not.toContain('"plan"');
    // Nothing came from anywhere else: it works where the network is closed.
    expect([...hosts]).toEqual([new URL(stack.url).host]);
  });

  test('has the schema’s documentation, and a tab for each example', async () => {
    const page = await open(stack.url);
    for (const name of ['Customer', 'Customers', 'Products', 'Payment']) {
      expect(await page.getByRole('button', { name, exact: true }).count()).toBe(1);
    }
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    await page.getByRole('link', { name: 'Query' }).first().click();
    await page.getByText('Lists customers in the order they were created.').waitFor();
    await page.getByRole('button', { name: 'Show Examples' }).click();
    await page
      .getByRole('region', { name: 'Examples' })
      .getByRole('button', { name: /^Products/ })
      .click();
    await run(page);
    expect(await costOf(page)).toMatch(/^\d provider calls?, 1 subgraph fetch, /);
  });

  test('a query that fails shows what failed, in red', async () => {
    stack.stripe.fail({ status: 401 });
    const page = await open(stack.url);
    await run(page);
    await costOf(page);
    await page.getByRole('region', { name: 'Cost' }).locator('tr.fetch.failed').waitFor();
    expect(await page.locator('tr.call.failed').count()).toBeGreaterThan(0);
  });

  test('says so where the gateway keeps the cost to itself', async () => {
    const env = { NODE_ENV: 'production', EXPLORER: 'on', INTROSPECTION: 'on' };
    const gateway = await stack.startAnother(env);
    // After the page, which goes on loading parts of its editor.
    onTestFinished(() => gateway.close());
    const page = await open(gateway.url);
    const panel = page.getByRole('region', { name: 'Cost' });
    await panel.getByText('Run a query').waitFor();
    await run(page);
    await panel.getByText('CALL_REPORT=on lets it tell').waitFor();
  });

  test('is there for any other supergraph too, with examples that it has an answer to: none', async () => {
    const foreign = await startForeign({ words: { schema: 'type Query { word: String }', fields: {} } });
    onTestFinished(() => foreign.close());
    const page = await open(foreign.url);
    expect(await page.getByRole('button', { name: 'Close Tab' }).count()).toBeLessThan(2);
    await page.getByRole('button', { name: 'Show Examples' }).click();
    expect(await page.getByRole('region', { name: 'Examples' }).getByRole('listitem').count()).toBe(0);
    expect(await pathsOf(foreign.url, ['/desk', '/schema.graphql'])).toEqual([404, 200]);
  });
});
