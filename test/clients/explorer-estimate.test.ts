/// <reference lib="dom" />
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { BrowserContextOptions, Page, Request } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type OpenPage, type StartedBrowser, startBrowser } from '../helpers/browser.ts';
import { writePlans } from '../helpers/plans.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';

/* The explorer's estimate of the operation in its editor, in Chromium. */

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const PHONE = { viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true };
const stockOf = (...skus: string[]): string =>
  `{ products(skus: [${skus.map((sku) => `"${sku}"`).join(', ')}]) { sku stock { quantity } } }`;
const SET_STOCK = 'mutation { setStock(input: { sku: "OABR-S", quantity: 3 }) { product { sku } } }';

describe.skipIf(!hasTool('chromium'))('the explorer’s estimate', { tags: ['long'] }, () => {
  let stack: Stack;
  let browser: StartedBrowser;
  let opened: OpenPage;
  let sent: Request[];
  beforeAll(async () => {
    [stack, browser] = await Promise.all([startStack(), startBrowser()]);
  });
  afterAll(() => Promise.all([stack.close(), browser.close()]));
  beforeEach(() => stack.reset());
  afterEach(async () => {
    expect(opened.complaints).toEqual([]);
    await opened.page.context().close();
  });

  const open = async (
    url: string,
    { before, ...options }: BrowserContextOptions & { before?: (page: Page) => Promise<unknown> } = {},
  ): Promise<Page> => {
    opened = await browser.open('about:blank', { viewport: { width: 1500, height: 950 }, ...options });
    const { page } = opened;
    sent = [];
    page.on('request', (request) => {
      if (request.headers()['x-tributary-explain']) sent.push(request);
    });
    await before?.(page);
    await page.goto(`${url}/graphiql`);
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
    return page;
  };
  const replace = async (page: Page, editor: 'query' | 'variable', text: string): Promise<void> => {
    await page
      .locator(editor === 'query' ? '.graphiql-query-editor .view-lines' : '.graphiql-editor-tool .view-lines')
      .first()
      .click();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.press('Delete');
    if (text) await page.keyboard.insertText(text);
  };
  const costOf = (page: Page) => page.getByRole('region', { name: 'Cost' });
  const lineOf = (page: Page) => costOf(page).locator('.tributary-estimate-line > p').first();
  const expectLine = async (page: Page, text: string | RegExp): Promise<void> => {
    await expect.poll(() => lineOf(page).innerText(), { timeout: 30_000 }).toMatch(text);
  };
  const tableOf = (page: Page) => costOf(page).getByRole('table', { name: 'Estimated provider calls' });
  /** Finds the row of a provider, of a provider operation or of all. */
  const rowOf = (page: Page, name: string) =>
    tableOf(page)
      .getByRole('row')
      .filter({ has: page.locator(`[title="${name}"]`).or(page.getByText(name, { exact: true })) })
      .first();
  const calls = () => Object.values(stack.sandboxes).reduce((sum, { calls: all }) => sum + all.length, 0);
  const run = (page: Page) => page.getByRole('button', { name: /^Execute query/ }).click();

  test('given an operation over a budget, then it says so before it runs', async () => {
    const plan = { callsPerOperation: { inventory: 1 } };
    const limited = await startStack({ env: { PLANS: writePlans({ default: 'small', plans: { small: plan } }).path } });
    onTestFinished(limited.close);
    const page = await open(limited.url);
    await replace(page, 'query', SET_STOCK);
    await expectLine(page, /^inventory 4: 4 calls expected, at most \d+\. It would be refused now: .*the budget is 1/);
    await replace(page, 'query', stockOf('A'));
    await expectLine(page, /^inventory 1: 1 call expected, at most \d+\.$/);
  });

  test('given an operation, then its estimate is shown before it runs, and the calls of the run beside it', async () => {
    await stack.ask('{ product(sku: "OABR-S") { sku } }');
    stack.reset();
    const page = await open(stack.url);
    await expectLine(page, /^crm 7, payments 2, inventory 1: 10 calls expected, at most \d+\.$/);
    expect(calls()).toBe(0);
    expect(await tableOf(page).count()).toBe(0);

    await page.getByRole('button', { name: 'Show estimate' }).click();
    const columns = tableOf(page).getByRole('columnheader');
    expect(await columns.allInnerTexts()).toEqual(['Provider operation', 'At least', 'Expected', 'At most', 'Saved']);
    const row = (name: string) => rowOf(page, name);
    expect(await row('crm').getByRole('cell').allInnerTexts()).toEqual(['0', '7', expect.stringMatching(/^\d+$/), '0']);
    expect(await row('GET /v1/customers/search').getByRole('cell').allInnerTexts()).toEqual(['0', '1', '10', '0']);
    await costOf(page)
      .getByText(/repeats of failed ones\. The response has about \d+ objects\.$/)
      .waitFor();

    await run(page);
    await expectLine(page, /: 10 calls expected, at most \d+\. Last run: \d+\.$/);
    await expectLine(page, `Last run: ${calls()}.`);
    expect(calls()).toBeGreaterThan(0);
    expect(await columns.last().innerText()).toBe('Last run');
    expect(await row('GET /v1/customers/search').getByRole('cell').last().innerText()).toBe('1');
    expect(await row('All').getByRole('cell').last().innerText()).toBe(String(calls()));

    // One panel is open at a time.
    await page.getByRole('button', { name: 'Show details' }).click();
    expect(await tableOf(page).count()).toBe(0);
    await costOf(page).getByRole('figure', { name: 'Query plan' }).waitFor();

    // The next run is compared with an estimate that knows of this one.
    const before = sent.length;
    await run(page);
    await expect.poll(() => sent.length).toBe(before + 1);
    await expectLine(page, /Last run: \d+\.$/);
    stack.reset();
    await run(page);
    await expect.poll(() => sent.length).toBe(before + 2);
    await expectLine(page, /Last run: \d+\.$/);

    // Reading the schema again is not a run.
    const read = page.waitForResponse((one) => one.request().postData()?.includes('__schema') ?? false);
    await page.getByRole('button', { name: 'Re-fetch GraphQL schema' }).click();
    await read;
    await expectLine(page, `Last run: ${calls()}.`);

    // Another operation has another estimate, and has not been run.
    await replace(page, 'query', stockOf('OABR-S'));
    await expectLine(page, /^inventory 1: 1 call expected, at most \d+\.$/);
  });

  test('while one types, a single request is sent, which the next change cancels', async () => {
    let hold = false;
    const page = await open(stack.url, {
      before: (blank) => blank.route('**/graphql', (route) => (hold ? undefined : route.continue())),
    });
    await expectLine(page, 'calls expected');
    const before = sent.length;
    hold = true;
    await replace(page, 'query', '');
    for (const character of '{deal(id:1){name') await page.keyboard.type(character);
    await expect.poll(() => sent.length).toBe(before + 1);
    expect(JSON.parse(sent.at(-1)?.postData() ?? '').query).toBe('{deal(id:1){name}}');
    hold = false;
    const failed = page.waitForEvent('requestfailed');
    await replace(page, 'query', stockOf('OABR-S'));
    const canceled = await failed;
    expect([canceled, canceled.failure()?.errorText]).toEqual([sent[before], 'net::ERR_ABORTED']);
    await expectLine(page, 'inventory 1: 1 call expected');
    expect(sent.length).toBe(before + 2);
  });

  test('a mutation is estimated, and not executed', async () => {
    const page = await open(stack.url);
    await replace(page, 'query', SET_STOCK);
    await expectLine(page, /^inventory 4: 4 calls expected, at most \d+\.$/);
    await page.getByRole('button', { name: 'Show estimate' }).click();
    const row = rowOf(page, 'catalogInventoryStockItemUpdate');
    expect(await row.getByRole('cell').first().innerText()).toBe('1');
    expect(calls()).toBe(0);
  });

  test('given a proxy that removes the header, then nothing is executed', async () => {
    const page = await open(stack.url, {
      before: (blank) =>
        blank.route('**/graphql', (route) => {
          const { 'x-tributary-explain': _, ...headers } = route.request().headers();
          return route.continue({ headers });
        }),
    });
    await expectLine(page, 'No estimate: the gateway returned none.');
    await replace(page, 'query', SET_STOCK);
    const before = sent.length;
    await expect.poll(() => sent.length).toBeGreaterThan(before);
    await run(page);
    await page.locator('.graphiql-response').getByText('OABR-S').waitFor();
    // The run alone.
    const writes = stack.openmage.calls.filter(({ operation }) => operation === 'catalogInventoryStockItemUpdate');
    expect(writes).toHaveLength(1);
    for (const request of sent) expect(JSON.parse(request.postData() ?? '').query).toBe('{ __typename }');
  });

  test('without an estimate, the line says why, and nothing is sent', async () => {
    const page = await open(stack.url);
    await expectLine(page, 'calls expected');
    const before = sent.length;
    await replace(page, 'variable', '{}');
    await expectLine(page, 'No estimate: variable "$email" of required type "String!" was not provided.');
    await replace(page, 'variable', '{ "email": ');
    await expectLine(page, /^No estimate: the variables are invalid JSON: /);
    await replace(page, 'query', '{ customer(email: "a") { colour, size } }');
    await expectLine(
      page,
      'No estimate: the document has an error in line 1: Cannot query field "colour" on type "Customer". (and 1 more)',
    );
    await replace(page, 'query', '{ customer(');
    await expectLine(page, /^No estimate: the document has an error in line 1: Syntax Error: /);
    await replace(page, 'query', '# Nothing yet.\n');
    await expectLine(page, 'No estimate: write an operation.');
    expect(await page.getByRole('button', { name: /estimate/ }).count()).toBe(0);
    expect(sent.length).toBe(before);
  });

  test('variables count, and comments in them are allowed', async () => {
    const page = await open(stack.url);
    await expectLine(page, 'calls expected');
    await replace(
      page,
      'query',
      'query Lines($first: Int!) { deals(first: $first) { edges { node { lineItems { quantity } } } } }',
    );
    await replace(page, 'variable', '{ "first": 1 } // one');
    await expectLine(page, /^crm 3: 3 calls expected/);
    const few = await lineOf(page).innerText();
    await replace(page, 'variable', '{ "first": 100 }');
    await expect.poll(() => lineOf(page).innerText()).not.toBe(few);
    const atMost = (line: string) => Number(/at most ([\d,]+)/.exec(line)?.[1]?.replaceAll(',', ''));
    expect(atMost(await lineOf(page).innerText())).toBeGreaterThan(atMost(few));
  });

  test('the estimate is of the person as whom operations are run', async () => {
    const page = await open(stack.url);
    await expectLine(page, 'crm 7');
    await page.getByLabel('Act as').selectOption('warehouse');
    await expectLine(page, /^No estimate: |^(?!.*payments)/);
    const [, claims = ''] = sent.at(-1)?.headers()['authorization']?.split('.') ?? [];
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString()).sub).toBe('warehouse');
  });

  test('given a limit that the operation exceeds, then the line says so', async () => {
    const gateway = await stack.startAnother({ MAX_ESTIMATED_OBJECTS: '10' });
    onTestFinished(() => gateway.close());
    const page = await open(gateway.url);
    await expectLine(page, /^No estimate: .*10/);
  });

  test('given a gateway that does not allow estimates, then the line says so, and none is requested', async () => {
    const gateway = await stack.startAnother({ CALL_REPORT: 'off' });
    onTestFinished(() => gateway.close());
    const page = await open(gateway.url);
    await expectLine(page, 'No estimate: this gateway does not allow estimates. With CALL_REPORT=on it does.');
    expect(sent).toEqual([]);
  });

  test('given a gateway that does not show its schema, then it validates the operation itself', async () => {
    const gateway = await stack.startAnother({ INTROSPECTION: 'off' });
    onTestFinished(() => gateway.close());
    const page = await open(gateway.url);
    await replace(page, 'query', stockOf('OABR-S'));
    await expectLine(page, 'inventory 1: 1 call expected');
    await replace(page, 'query', '{ colour }');
    await expectLine(page, 'No estimate: cannot query field "colour" on type "Query".');
    // The browser reports the gateway's refusals of the schema and of the operation.
    opened.complaints.splice(0);
  });

  test('a screen reader hears the estimate once it does not change any more', async () => {
    // Timers of announcements fire when the test says so.
    const holdAnnouncements = () => {
      const [set, clear] = [window.setTimeout, window.clearTimeout];
      const held = new Map<number, () => void>();
      Object.assign(window, {
        setTimeout: (callback: () => void, ms?: number, ...args: unknown[]) => {
          if (ms !== 2_000) return set(callback, ms, ...args);
          const id = set(() => {}, 0);
          held.set(id, callback);
          return id;
        },
        clearTimeout: (id: number) => {
          held.delete(id);
          clear(id);
        },
        announce: () => {
          for (const [id, callback] of held) if (held.delete(id)) callback();
        },
      });
    };
    const page = await open(stack.url, { before: (blank) => blank.addInitScript(holdAnnouncements) });
    const announce = () => page.evaluate(() => (window as unknown as { announce: () => void }).announce());
    const announced = costOf(page).locator('[aria-live="polite"]');
    await expectLine(page, 'crm 7');
    await announce();
    await expect.poll(() => announced.innerText()).toContain('crm 7');
    for (const [query, line] of [
      [stockOf('A'), 'inventory 1'],
      ['{ stock', 'No estimate'],
      [SET_STOCK, 'inventory 4'],
    ] as const) {
      await replace(page, 'query', query);
      await expectLine(page, line);
      expect(await announced.innerText()).toContain('crm 7');
    }
    await announce();
    await expect.poll(() => announced.innerText()).toMatch(/^inventory 4: 4 calls expected/);
  });

  test.each(['light', 'dark'] as const)(
    'on a phone in %s colors, line and table fit, and are accessible',
    async (colorScheme) => {
      const page = await open(stack.url, { ...PHONE, colorScheme });
      await expectLine(page, 'crm 7');
      const violations = async () => {
        await page.evaluate(axe);
        return page.evaluate(async () => {
          const { axe: checker } = window as unknown as {
            axe: { run: (on: string) => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
          };
          const { violations: found } = await checker.run('.tributary-cost');
          return found.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
        });
      };
      expect(await violations()).toEqual([]);
      const button = page.getByRole('button', { name: 'Show estimate' });
      expect((await button.boundingBox())?.height).toBeGreaterThanOrEqual(44);
      await run(page);
      await expectLine(page, /Last run: \d+\.$/);
      await button.tap();
      await tableOf(page).waitFor();
      expect(await page.locator('.graphiql-response').isVisible()).toBe(false);
      expect(await violations()).toEqual([]);
      const widths = await page.evaluate(() => {
        const cells = [...document.querySelectorAll('.tributary-estimate thead th')];
        return {
          page: document.documentElement.scrollWidth,
          right: Math.max(...cells.map((cell) => cell.getBoundingClientRect().right)),
          cut: cells.filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent),
        };
      });
      expect(widths).toEqual({ page: 390, right: expect.any(Number), cut: [] });
      expect(widths.right).toBeLessThanOrEqual(390);
      await page.getByRole('button', { name: 'Hide estimate' }).tap();
      expect(await page.locator('.graphiql-response').isVisible()).toBe(true);
    },
  );
});
