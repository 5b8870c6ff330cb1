/// <reference lib="dom" />
import type { BrowserContextOptions } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { findViolations } from '../helpers/axe.ts';
import { type OpenPage, type StartedBrowser, startBrowser } from '../helpers/browser.ts';
import { openEventStream } from '../helpers/event-stream.ts';
import { freePort } from '../helpers/processes.ts';
import { type Ask, type Stack, startStack } from '../helpers/stack.ts';
import { headersOf, TOKEN_ENV } from '../helpers/tokens.ts';
import { hasTool } from '../helpers/tools.ts';
import { postStripe, WEBHOOKS } from '../helpers/webhooks.ts';

/* The status page, in a real browser. */

const PRODUCT = 'query Stock { product(sku: "OABR-S") { sku } }';
const CUSTOMERS = 'query Customers { customers(first: 2) { edges { node { firstName } } } }';
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const SCOPES = ['customers:read', 'inventory:read', 'payments:read', 'crm:read', 'stock:read', 'products:read'];

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

test('the page and its files are small, run only their own code, and are not for other sites', async () => {
  const page = await fetch(`${stack.url}/status`);
  const policy = (page.headers.get('content-security-policy') ?? '').split('; ');
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "trusted-types 'none'"]) {
    expect(policy).toContain(part);
  }
  const text = await page.text();
  expect(text.match(/<script[^>]*>[^<]|<style| on\w+=| style=/)).toBeNull();
  let size = text.length;
  for (const [asset] of text.matchAll(/\/status\/assets\/[^"]+/g)) {
    const file = await fetch(`${stack.url}${asset}`);
    expect(file.headers.get('cache-control')).toContain('immutable');
    expect(file.headers.get('x-content-type-options')).toBe('nosniff');
    size += (await file.text()).length;
  }
  expect(size).toBeLessThan(16_000);
  const foreign = await fetch(`${stack.url}/status.json`, { headers: { origin: 'https://evil.example' } });
  expect(foreign.status).toBe(403);
});

test.each([
  ['in production', { NODE_ENV: 'production', AUTH: 'none', EXPLORER: 'on' }, 404],
  ['without the explorer', { EXPLORER: 'off' }, 404],
  ['to an address that is not in ADMIN_ALLOW', { ADMIN_ALLOW: '10.0.0.0/8' }, 403],
])('%s, the main port does not serve it', async (_, env, status) => {
  const gateway = await stack.startAnother(env);
  onTestFinished(gateway.close);
  for (const path of ['/status', '/status.json']) expect((await fetch(`${gateway.url}${path}`)).status).toBe(status);
});

describe.skipIf(!hasTool('chromium'))('in a browser', { tags: ['long'] }, () => {
  let browser: StartedBrowser;
  let opened: OpenPage | undefined;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    expect(opened?.complaints).toEqual([]);
    await opened?.page.context().close();
    opened = undefined;
  });

  const start = async (env: Record<string, string> = {}) => {
    const gateway = await stack.startAnother(env);
    onTestFinished(gateway.close);
    return gateway;
  };

  const open = async ({ url }: { url: string }, options: BrowserContextOptions = {}) => {
    opened = await browser.open(`${url}/status`, options);
    const { page, complaints } = opened;
    await page.getByRole('heading', { name: 'Providers' }).waitFor();
    const provider = (name: string) => page.getByRole('article', { name, exact: true });
    return { page, complaints, provider, announced: page.getByRole('status') };
  };

  const askUntil = async (ask: Ask, query: string, isEnough: () => Promise<boolean>) =>
    expect
      .poll(async () => {
        await ask(query);
        return isEnough();
      })
      .toBe(true);

  test('given providers that respond, then each has its state in words, its figures and pictures with text', async () => {
    const gateway = await start({ HUBSPOT_QUOTA: 'account=9/1' });
    await gateway.ask(PRODUCT);
    const { page, provider, announced } = await open(gateway);
    const inventory = provider('inventory');
    await inventory.getByText('OK', { exact: true }).waitFor();
    await inventory.getByText(/^\d+ requests? 0 % failed$/).waitFor();
    await inventory.getByRole('img', { name: /requests? in the last five minutes, 0 failed/ }).waitFor();
    await inventory.getByRole('img', { name: /^99th percentile of latency in the last five minutes: \d/ }).waitFor();
    await inventory.getByText('Data from its provider.').waitFor();
    await provider('crm').getByText('No requests', { exact: true }).waitFor();
    await expect.poll(() => announced.innerText()).toBe('No provider has a problem.');
    const row = page.getByRole('table', { name: 'Operations that cost most' }).getByRole('row', { name: /^Stock/ });
    await row.waitFor();
    const calls = inventory.getByRole('table', { name: 'Operations of the provider of inventory' });
    await calls
      .getByRole('row', { name: /\s[1-9]\d*\s+0\s+[\d.]+ m?s$/ })
      .first()
      .waitFor();
    await page.getByText(/^A provider call that several operations share counts for each of them/).waitFor();
    // Another call shows without a reload.
    await gateway.ask(CUSTOMERS);
    await provider('crm').getByText('OK', { exact: true }).waitFor();
    await provider('crm')
      .getByText(/^Quota account: \d of 9 a second/)
      .waitFor();
    await page.getByRole('heading', { name: /^Process \d+$/ }).waitFor();
    await page.getByText(/^\d+(\.\d)? % busy, \d/).waitFor();
  });

  test('given a provider that is down, then it is named as such, and as failing once it responds again', async () => {
    const gateway = await start();
    const { page, provider, announced } = await open(gateway);
    stack.hubspot.fail({ status: 500 });
    await askUntil(gateway.ask, CUSTOMERS, () => provider('crm').getByText('Down', { exact: true }).isVisible());
    await expect.poll(() => announced.innerText()).toBe('crm: down.');
    expect(await page.title()).toBe('crm: down – Tributary status');
    await provider('crm').getByText('Last failure').waitFor();
    expect(await provider('crm').innerText()).toMatch(/UPSTREAM_UNAVAILABLE, .* ago/);
    expect(await provider('inventory').getByText('Down', { exact: true }).count()).toBe(0);
    stack.reset();
    await askUntil(gateway.ask, CUSTOMERS, () => provider('crm').getByText('Failing', { exact: true }).isVisible());
    await expect.poll(() => announced.innerText()).toBe('crm: failing.');
  });

  test('given a quota that is used up, then it says so, with the quota in use', async () => {
    const gateway = await start({ HUBSPOT_QUOTA: 'account=2/600,search=2/600' });
    const { provider } = await open(gateway);
    await askUntil(gateway.ask, CUSTOMERS, () => provider('crm').getByText('Quota exhausted').isVisible());
    await provider('crm').getByText('Not sent for the quota', { exact: true }).waitFor();
    await provider('crm')
      .getByText(/^Quota account: 2 of 2 in 600 seconds/)
      .waitFor();
  });

  test('given requests that wait for their permits, then it says so, with how long', async () => {
    const gateway = await start({ HUBSPOT_QUOTA: 'account=1/2' });
    const { provider } = await open(gateway);
    await askUntil(gateway.ask, CUSTOMERS, () => provider('crm').getByText('Waiting', { exact: true }).isVisible());
    await provider('crm')
      .getByText(/ for (it|their permits in the last 30 seconds)\.$/)
      .waitFor();
    await provider('crm')
      .getByText(/^\d\S* m?s median, \d\S* s p99$/)
      .waitFor();
  });

  test('given a greedy client, then it is first in the table of clients, with its calls', async () => {
    const gateway = await start(TOKEN_ENV);
    const ask = (subject: string) => gateway.ask(CUSTOMERS, {}, { headers: headersOf({ subject, scopes: SCOPES }) });
    await ask('modest');
    for (let index = 0; index < 5; index += 1) await ask('greedy');
    const { page } = await open(gateway);
    const rows = page.getByRole('table', { name: 'Clients by provider calls' }).locator('tbody tr');
    await expect.poll(() => rows.first().innerText()).toMatch(/^jwt:greedy\s+5\s/);
    expect(await rows.nth(1).innerText()).toMatch(/^jwt:modest\s+1\s/);
  });

  test('given events and subscribers, then it has the inbox, with the command that lists parked events', async () => {
    const gateway = await start(WEBHOOKS);
    const { page } = await open(gateway, PHONE);
    const inbox = page.getByRole('article', { name: 'Inbox' });
    await expect.poll(() => inbox.innerText()).toMatch(/Waiting\s+0 events\s+Lag\s+none\s+Parked\s+0 events/);
    const subscriptions = page.getByRole('article', { name: 'Subscriptions' });
    await expect.poll(() => subscriptions.innerText()).toMatch(/Subscribers\s+0\s+Groups\s+0/);
    for (let index = 0; index < 2; index += 1) {
      const stream = await openEventStream(gateway.url, { query: 'subscription { customerChanged { id } }' });
      onTestFinished(stream.close);
    }
    await expect.poll(() => subscriptions.innerText()).toMatch(/Subscribers\s+2\s+Groups\s+1/);
    // A payment without an id.
    await postStripe(gateway.url, {
      id: 'evt_unreadable',
      object: 'event',
      type: 'payment_intent.succeeded',
      created: 1_796_000_000,
      data: { object: { object: 'payment_intent' } },
    });
    await expect.poll(() => inbox.innerText()).toMatch(/Parked\s+1 event\n/);
    expect(await inbox.innerText()).toContain('npm run events -- list');
    expect(await findViolations(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  });

  test('given no webhooks, then it says that no changes are reported', async () => {
    const { page } = await open(await start());
    await page.getByRole('article', { name: 'Inbox' }).getByText('No provider reports changes here.').waitFor();
  });

  test('names that clients choose are text, keep to their cells, and are bounded in number', async () => {
    const gateway = await start(TOKEN_ENV);
    const hostile = ['<img src=x onerror=alert(1)>', '\u202Egnirts desrever', 'مرحبا', 'x'.repeat(5_000)];
    for (const subject of hostile) await gateway.ask(CUSTOMERS, {}, { headers: headersOf({ subject }) });
    for (let index = 0; index < 120; index += 1)
      await gateway.ask(`query ${'Name'.repeat(100)}${index} { __typename }`);
    for (let index = 0; index < 120; index += 1) await gateway.ask(`query N${index} { __typename }`);
    const { page } = await open(gateway, PHONE);
    const clients = page.getByRole('table', { name: 'Clients by provider calls' });
    await clients.getByText('jwt:<img src=x onerror=alert(1)>').waitFor();
    expect(await page.locator('img').count()).toBe(0);
    // Isolated, so that the text beside it keeps its direction.
    expect(await clients.locator('bdi').count()).toBe(await clients.locator('tbody tr').count());
    const operations = page.getByRole('table', { name: 'Operations that cost most' }).locator('tbody tr');
    expect(await operations.count()).toBe(21);
    expect(await operations.last().innerText()).toMatch(/^\(other\)/);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  });

  test.each(['light', 'dark'] as const)('is accessible and fits a phone, in %s colors', async (colorScheme) => {
    const gateway = await start({ HUBSPOT_QUOTA: 'account=1/600,search=1/600' });
    for (const query of [PRODUCT, CUSTOMERS, CUSTOMERS, '{ nothing }']) await gateway.ask(query);
    stack.openmage.fail({ status: 500 });
    const { page, provider } = await open(gateway, { ...PHONE, colorScheme });
    await askUntil(gateway.ask, PRODUCT, () =>
      provider('inventory')
        .getByText(/^Failing$|^Down$/)
        .isVisible(),
    );
    await page.getByRole('table', { name: 'Operations with errors' }).waitFor();
    expect(await findViolations(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    // Everything that can be operated can be reached by keyboard.
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Pause updates');
    await page.keyboard.press('Enter');
    expect(await page.getByRole('button', { name: 'Resume updates' }).isVisible()).toBe(true);
  });

  test('while paused it does not change, and an update keeps the focus and the elements', async () => {
    const gateway = await start();
    const { page, provider } = await open(gateway);
    const article = await provider('crm').elementHandle();
    const pause = page.getByRole('button', { name: 'Pause updates' });
    await pause.focus();
    await page.keyboard.press('Enter');
    await gateway.ask(CUSTOMERS);
    let requests = 0;
    page.on('request', () => {
      requests += 1;
    });
    // A page in the background does not ask, either; coming back does not end a pause.
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    expect(requests).toBe(0);
    expect(await provider('crm').getByText('No requests', { exact: true }).isVisible()).toBe(true);
    await page.keyboard.press('Enter');
    await provider('crm').getByText('OK', { exact: true }).waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('pause');
    // A screen reader keeps its place.
    expect(await article?.evaluate(({ isConnected }) => isConnected)).toBe(true);
  });

  test('when the gateway stops, it says so and keeps what it shows, until the gateway is back', async () => {
    const env = { PORT: String(await freePort()) };
    const gateway = await stack.startAnother(env);
    await gateway.ask(CUSTOMERS);
    const { page, complaints, provider } = await open(gateway);
    await provider('crm').getByText('OK', { exact: true }).waitFor();
    await gateway.close();
    const alert = page.getByRole('alert');
    await expect.poll(() => alert.innerText()).toMatch(/^The gateway (does not answer|answers with status 503)/);
    await page.getByText(/Next attempt at \d\d:\d\d:\d\d\.$/).waitFor();
    expect(await provider('crm').getByText('OK', { exact: true }).isVisible()).toBe(true);
    expect(await findViolations(page)).toEqual([]);
    await start(env);
    await expect.poll(() => alert.innerText()).toBe('');
    await provider('crm').getByText('No requests', { exact: true }).waitFor();
    // The browser reports each attempt that failed.
    expect(complaints.filter((complaint) => !complaint.startsWith('Failed to load resource'))).toEqual([]);
    complaints.length = 0;
  });

  test('the explorer links to it', async () => {
    opened = await browser.open(`${stack.url}/graphiql`);
    const { page } = opened;
    await page.getByRole('link', { name: 'Status' }).click();
    await page.getByRole('heading', { name: 'Tributary status' }).waitFor();
  });
});
