/// <reference lib="dom" />
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import variables from '../../clients/explorer/src/examples/variables.json' with { type: 'json' };
import { type OpenPage, type StartedBrowser, startBrowser } from '../helpers/browser.ts';
import { startFederation } from '../helpers/federation.ts';
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

test('every example runs without errors, and its first line describes it', async () => {
  const files = readdirSync(EXAMPLES).filter((file) => file.endsWith('.graphql'));
  expect(files.length).toBeGreaterThan(3);
  for (const file of files) {
    const example = readFileSync(join(EXAMPLES, file), 'utf8');
    const name = /query (\w+)/.exec(example)?.[1] ?? '';
    expect(example).toMatch(/^# [A-Z].*\.\n/);
    // Runs in explorer-subscription.test.ts.
    if (name === '') continue;
    const { data, errors } = await stack.ask(example, (variables as Record<string, object>)[name]);
    expect([file, errors]).toEqual([file, undefined]);
    expect(Object.values(data ?? {})).not.toContain(null);
  }
});

test('Apollo Sandbox is at /, and requests the cost report', async () => {
  const response = await fetch(`${stack.url}/`, { headers: { accept: 'text/html' } });
  expect(response.url).toBe(`${stack.url}/graphql`);
  const page = await response.text();
  expect(page).toContain('embeddable-sandbox');
  expect(page).toContain('x-tributary-report');
  expect(page).toContain('"runTelemetry":false');
  // The page's own policy allows only scripts with its nonce, and Apollo's.
  const [, nonce = ''] = /script-src 'self' 'nonce-(\w+)' https:/.exec(page) ?? [];
  expect(nonce.length).toBeGreaterThan(30);
  for (const [script] of page.matchAll(/<script[^>]*>/g)) expect(script).toContain(`nonce="${nonce}"`);
  expect(page).not.toContain('unsafe-inline');
  const policy = response.headers.get('content-security-policy') ?? '';
  for (const part of ["connect-src 'self'", "frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"]) {
    expect(policy.split('; ')).toContain(part);
  }
  // Its login opens a window.
  expect(response.headers.get('cross-origin-opener-policy')).toBe('same-origin-allow-popups');
});

test.each([
  ['/graphiql/', "style-src 'self' 'unsafe-inline'"],
  ['/desk/', "require-trusted-types-for 'script'"],
  ['/desk/customers/101', "style-src 'self'"],
])('%s runs only its own files, and nobody may frame, open or embed it', async (path, own) => {
  const page = await fetch(`${stack.url}${path}`);
  const policy = (page.headers.get('content-security-policy') ?? '').split('; ');
  const parts = ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"];
  for (const part of [...parts, "base-uri 'none'", "form-action 'none'", own]) expect(policy).toContain(part);
  const text = await page.text();
  expect(text.match(/<script[^>]*>[^<]|<style| on\w+=| style=/)).toBeNull();
  const [asset = ''] = /\/[a-z]+\/assets\/[^"]+\.js/.exec(text) ?? [];
  for (const { headers } of [page, await fetch(`${stack.url}${asset}`)]) {
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  }
});

test('in production, only pages that are switched on are served', async () => {
  const closed = await stack.startAnother({ NODE_ENV: 'production', AUTH: 'none' });
  expect(await pathsOf(closed.url, PAGES)).toEqual([404, 404, 404, 404, 404]);
  const opened = await stack.startAnother({ NODE_ENV: 'production', AUTH: 'none', EXPLORER: 'on', DESK: 'on' });
  // Without introspection, the schema file is not served either.
  expect(await pathsOf(opened.url, PAGES)).toEqual([302, 200, 200, 404, 404]);
  await Promise.all([closed.close(), opened.close()]);
});

test('a page’s assets are cacheable, the page itself is not, and it cannot be framed', async () => {
  const page = await fetch(`${stack.url}/graphiql/`);
  expect(page.headers.get('cache-control')).toBe('no-cache');
  const [asset = ''] = /\/graphiql\/assets\/[^"]+\.js/.exec(await page.text()) ?? [];
  const script = await fetch(`${stack.url}${asset}`);
  expect(script.headers.get('content-type')).toContain('javascript');
  expect(script.headers.get('cache-control')).toContain('immutable');
  expect((await fetch(`${stack.url}/graphiql/assets/gone.js`)).status).toBe(404);
  expect((await fetch(`${stack.url}/graphiql/..%2f..%2fpackage.json`)).headers.get('content-type')).not.toContain(
    'json',
  );
});

describe.skipIf(!hasTool('chromium'))('the explorer', { tags: ['long'] }, () => {
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

  const open = async (url: string, options: object = { viewport: { width: 1500, height: 950 } }): Promise<Page> => {
    opened = await browser.open('about:blank', options);
    const { page } = opened;
    hosts = new Set();
    page.on('request', (request) => hosts.add(new URL(request.url()).host));
    await page.goto(`${url}/graphiql`);
    await page.getByRole('button', { name: /^Execute query/ }).waitFor();
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
    return page;
  };
  /** Waits for the response to an operation that is run, not to one that is estimated. */
  const runResponse = (page: Page) =>
    page.waitForResponse((one) => one.url().endsWith('/graphql') && !one.request().headers()['x-tributary-explain']);
  const run = (page: Page) => page.getByRole('button', { name: /^Execute query/ }).click();
  const costOf = async (page: Page): Promise<string> => {
    const line = page.getByText(/^\d+ provider calls?, \d/);
    await line.waitFor();
    return line.innerText();
  };
  const calls = () =>
    [stack.hubspot, stack.stripe, stack.openmage].reduce((sum, { calls: all }) => sum + all.length, 0);

  test('given an example, when it is run, then its cost is shown: numbers, timeline and query plan', async () => {
    await stack.ask('{ product(sku: "OABR-S") { sku } }');
    stack.reset();
    const page = await open(stack.url);
    await run(page);
    const cost = await costOf(page);
    expect(cost).toMatch(new RegExp(`^${calls()} provider calls, 3 subgraph fetches, `));

    const panel = page.getByRole('region', { name: 'Cost' });
    const rows = panel.getByRole('table', { name: 'Fetches and provider calls in time' }).locator('tbody tr');
    expect(await rows.locator('nth=0').innerText()).toMatch(/^gateway\s+parses and plans/);
    expect(await rows.locator('nth=1').innerText()).toMatch(/^crm\s+root fields/);
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

    // The response itself stays readable.
    expect(await page.locator('.graphiql-response').innerText()).not.toContain('"plan"');
    // No other host was contacted: the explorer works on a closed network.
    expect([...hosts]).toEqual([new URL(stack.url).host]);
  });

  test('given a sample person, then operations are run as that person, until another is chosen', async () => {
    const page = await open(stack.url);
    const response = page.locator('.graphiql-response');
    const answerOf = async (): Promise<{ status: number; subject: string | undefined; codes: unknown[] }> => {
      const answered = runResponse(page);
      await run(page);
      const received = await answered;
      const [, claims = ''] = received.request().headers()['authorization']?.split('.') ?? [];
      const { errors = [] } = JSON.parse(await received.text());
      return {
        status: received.status(),
        subject: claims ? JSON.parse(Buffer.from(claims, 'base64url').toString()).sub : undefined,
        codes: errors.map(({ extensions }: { extensions: { code: unknown } }) => extensions.code),
      };
    };
    const people = page.getByLabel('Act as');
    await people.selectOption('warehouse');
    expect(await answerOf()).toEqual({ status: 200, subject: 'warehouse', codes: ['UNAUTHORIZED_FIELD_OR_TYPE'] });
    await response.getByText('UNAUTHORIZED_FIELD_OR_TYPE').waitFor();
    await people.selectOption('support');
    expect(await answerOf()).toEqual({ status: 200, subject: 'support', codes: [] });
    await page.reload();
    await expect.poll(() => people.inputValue()).toBe('support');
    expect((await answerOf()).subject).toBe('support');
    await people.selectOption('');
    expect((await answerOf()).subject).toBeUndefined();
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

  test('given a query with failures, then failed fetches and calls are marked', async () => {
    stack.stripe.fail({ status: 401 });
    const page = await open(stack.url);
    await run(page);
    await costOf(page);
    await page.getByRole('region', { name: 'Cost' }).locator('tr.fetch.failed').waitFor();
    expect(await page.locator('tr.call.failed').count()).toBeGreaterThan(0);
  });

  test('the cost panel is below the editor, leaves it its width, and stays hidden once hidden', async () => {
    const page = await open(stack.url);
    const boxOf = async (selector: string) => {
      const box = await page.locator(selector).first().boundingBox();
      if (!box) throw new Error(`${selector} is not visible.`);
      return box;
    };
    const before = await boxOf('.graphiql-editors');
    await run(page);
    await costOf(page);
    const pane = await boxOf('.tributary-details');
    const editor = await boxOf('.graphiql-editors');
    expect(editor.width).toBe(before.width);
    expect(editor.width).toBeGreaterThan(650);
    expect(editor.height).toBeGreaterThan(400);
    expect(pane.width).toBe(1500);
    expect(pane.y).toBeGreaterThan(editor.y + editor.height);
    await page.getByRole('button', { name: 'Hide details' }).click();
    expect(await page.locator('.tributary-details').isVisible()).toBe(false);
    expect((await boxOf('.graphiql-editors')).height).toBeGreaterThan(editor.height + 200);
    await page.reload();
    await run(page);
    await costOf(page);
    expect(await page.locator('.tributary-details').isVisible()).toBe(false);
    expect(await page.getByRole('button', { name: 'Show details' }).getAttribute('aria-expanded')).toBe('false');
  });

  test('a long operation name is truncated before its last parts, and has the full name as its title', async () => {
    const page = await open(stack.url);
    await run(page);
    await costOf(page);
    const names = await page
      .getByRole('region', { name: 'Provider operations' })
      .locator('.tributary-name')
      .evaluateAll((all) =>
        all.map((name) => {
          const [tail, head] = [...name.children].reverse();
          const isCut = (part: Element | undefined) => part !== undefined && part.scrollWidth > part.clientWidth;
          return {
            title: name.getAttribute('title'),
            text: name.textContent,
            tail: tail?.textContent ?? '',
            isHeadCut: isCut(head),
            isTailCut: isCut(tail),
          };
        }),
      );
    expect(names.some(({ isHeadCut }) => isHeadCut)).toBe(true);
    expect(names.filter(({ isTailCut }) => isTailCut)).toEqual([]);
    for (const { title, text } of names) expect(text).toBe(title);
    // What remains distinguishes them, except for two ways to read the same records.
    expect(names.map(({ tail }) => tail)).toEqual(
      expect.arrayContaining(['/contacts/batch/read', '/deals/batch/read', '/deals/line_items/batch/read']),
    );
  });

  test('a wait for the rate limit is shown in the row of its call', async () => {
    const gateway = await stack.startAnother({ STRIPE_QUOTA: 'account=1/1,endpoint=1/1,search=1/1' });
    onTestFinished(() => gateway.close());
    const page = await open(gateway.url);
    await run(page);
    await costOf(page);
    const rows = await page.locator('tr.call', { hasText: /waited \d+ ms for the rate limit/ }).all();
    expect(rows).not.toEqual([]);
    for (const row of rows) expect(await row.locator('.bar').count()).toBe(2);
    expect(await page.locator('tr.wait').count()).toBe(0);
  });

  test('warns about a provider that is down, but not about a refresh', async () => {
    const types = (freshMs: string) => ['accounts', 'paymentLists', 'payments'].map((type) => `${type}=${freshMs}`);
    const env = (ages: string) => ({ CACHE_MAX_MIB: '16', STRIPE_CACHE: types(ages).join(',') });
    const [refreshing, failing] = await Promise.all([
      stack.startAnother(env('0/600/3600')),
      stack.startAnother(env('0/0/3600')),
    ]);
    onTestFinished(() => Promise.all([refreshing.close(), failing.close()]).then(() => undefined));
    const stale = (page: Page) => page.getByRole('region', { name: 'Cost' }).getByText('older than usual');
    const runTwice = async (url: string, between: () => void) => {
      const page = await open(url);
      await run(page);
      await costOf(page);
      between();
      const answered = runResponse(page);
      await run(page);
      const text = await (await answered).text();
      await page.getByText(/^\d+ provider calls?, \d/).waitFor();
      return { page, text };
    };
    const refreshed = await runTwice(refreshing.url, () => {});
    expect(refreshed.text).toContain('REFRESHING');
    await refreshed.page.getByText('operations from the cache alone').waitFor();
    expect(await stale(refreshed.page).count()).toBe(0);
    await refreshed.page.context().close();
    const failed = await runTwice(failing.url, () => stack.stripe.fail({ drop: 'before' }));
    await stale(failed.page).waitFor();
  });

  test('operations without a call are combined in one row', async () => {
    const gateway = await stack.startAnother({ CACHE_MAX_MIB: '16' });
    onTestFinished(() => gateway.close());
    const page = await open(gateway.url);
    const rows = page.getByRole('region', { name: 'Provider operations' }).locator('tbody tr');
    await run(page);
    await costOf(page);
    const first = await rows.count();
    expect(first).toBeGreaterThan(5);
    await run(page);
    await expect.poll(() => rows.count()).toBe(1);
    expect(await rows.innerText()).toMatch(new RegExp(`^${first} operations from the cache alone\\s+0\\s+0\\s+\\d+$`));
    expect((await rows.getByRole('rowheader').getAttribute('title'))?.split('\n')).toHaveLength(first);
  });

  test('keeps a history of operations across reloads', async () => {
    const page = await open(stack.url);
    await run(page);
    await costOf(page);
    await page.reload();
    await page.getByRole('button', { name: 'Payment', exact: true }).click();
    await page.getByRole('button', { name: 'Show History' }).click();
    const history = page.getByRole('region', { name: 'History' });
    expect(await history.getByRole('listitem').count()).toBe(1);
    await history.getByText('Customer', { exact: true }).click();
    await expect.poll(() => page.locator('.graphiql-query-editor').innerText()).toContain('firstName');
  });

  test('on a phone, the operation, its response and its cost are stacked', async () => {
    const page = await open(stack.url, { viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true });
    await run(page);
    await costOf(page);
    const boxes = await Promise.all(
      ['.graphiql-query-editor', '.graphiql-response', '.tributary-cost'].map(async (selector) => {
        const box = await page.locator(selector).boundingBox();
        return box ?? { x: 0, y: 0, width: 0, height: 0 };
      }),
    );
    let end = 0;
    for (const { y, width, height } of boxes) {
      expect(y).toBeGreaterThanOrEqual(end);
      expect(width).toBeGreaterThan(340);
      end = y + height;
    }
    expect(end).toBeLessThanOrEqual(760);
    for (const { height } of boxes.slice(0, 2)) expect(height).toBeGreaterThan(180);
    const { scrollWidth, scrollHeight } = await page.evaluate(() => {
      const { scrollWidth, scrollHeight } = document.documentElement;
      return { scrollWidth, scrollHeight };
    });
    expect(scrollWidth).toBeLessThanOrEqual(390);
    expect(scrollHeight).toBeLessThanOrEqual(760);
    // The editor does not capture taps on the panel below it.
    const [, , cost] = boxes;
    const hit = await page.evaluate(({ x, y }) => document.elementFromPoint(x, y)?.closest('section')?.ariaLabel, {
      x: 30,
      y: (cost?.y ?? 0) + (cost?.height ?? 0) - 10,
    });
    expect(hit).toBe('Cost');
    // First the response has the screen; a tap on "Show details" gives all of it to the details.
    await page.getByRole('button', { name: 'Show details' }).tap();
    await page.getByRole('figure', { name: 'Query plan' }).waitFor();
    expect(await page.locator('.graphiql-response').isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Hide details' }).tap();
    expect(await page.locator('.graphiql-response').isVisible()).toBe(true);
  });

  test('given a gateway that does not report costs, then the panel says how to switch it on', async () => {
    const env = { NODE_ENV: 'production', AUTH: 'none', EXPLORER: 'on', INTROSPECTION: 'on' };
    const gateway = await stack.startAnother(env);
    // Closed after the page, which is still loading parts of its editor.
    onTestFinished(() => gateway.close());
    const page = await open(gateway.url);
    const panel = page.getByRole('region', { name: 'Cost' });
    await panel.getByText('Run a query').waitFor();
    // Nobody signs tokens for sample people here.
    expect(await page.getByLabel('Act as').count()).toBe(0);
    await run(page);
    await panel.getByText('Set CALL_REPORT=on').waitFor();
  });

  test('given an external supergraph, then it is served without the examples of the bundled graph', async () => {
    const federation = await startFederation({ words: { schema: 'type Query { word: String }', fields: {} } });
    onTestFinished(() => federation.close());
    const page = await open(federation.url);
    expect(await page.getByRole('button', { name: 'Close Tab' }).count()).toBeLessThan(2);
    await page.getByRole('button', { name: 'Show Examples' }).click();
    expect(await page.getByRole('region', { name: 'Examples' }).getByRole('listitem').count()).toBe(0);
    expect(await pathsOf(federation.url, ['/desk', '/schema.graphql'])).toEqual([404, 200]);
  });
});
