/// <reference lib="dom" />
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page, Request } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { findViolations } from '../../helpers/axe.ts';
import { type OpenPage, type StartedBrowser, startBrowser } from '../../helpers/browser.ts';
import { freePort } from '../../helpers/processes.ts';
import { type Stack, startStack } from '../../helpers/stack.ts';
import { hasTool } from '../../helpers/tools.ts';
import { connectWebhooks, WEBHOOKS } from '../../helpers/webhooks.ts';
import { adasPage, company, plain } from './desk.ts';

/* The desk shows changes as they happen: changes in a sandbox, its webhooks, and subscriptions of real browsers. */

const [ada] = company.people;

let stack: Stack;
let browser: StartedBrowser;
let opened: OpenPage[];
let expected: RegExp | undefined;

describe.skipIf(!hasTool('chromium'))('the customer desk, live', { tags: ['long'] }, () => {
  beforeAll(async () => {
    stack = await startStack({ env: WEBHOOKS });
    connectWebhooks(stack, stack.url);
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await stack.close();
  });
  beforeEach(() => {
    opened = [];
    expected = undefined;
    stack.reset();
  });
  afterEach(async () => {
    for (const { page, complaints } of opened) {
      expect(complaints.filter((complaint) => !expected?.test(complaint))).toEqual([]);
      await page.context().close();
    }
  });

  /** The requests of a page for an operation, in their order. */
  type Desk = { readonly page: Page; readonly requests: Request[] };

  const open = async (url = stack.url, options = {}): Promise<Desk> => {
    const one = await browser.open('about:blank', options);
    opened.push(one);
    const { page } = one;
    const requests: Request[] = [];
    page.on('request', (request) => {
      if (new URL(request.url()).pathname === '/graphql') requests.push(request);
    });
    await page.goto(`${url}${adasPage}`);
    return { page, requests };
  };

  const sign = (page: Page) => page.getByRole('status', { name: 'Live updates' });
  const isLive = (page: Page) => expect.poll(() => sign(page).innerText(), { timeout: 60_000 }).toBe('Live');
  const bodyOf = (request: Request) => JSON.parse(request.postData() ?? '{}');
  const operationsOf = ({ requests }: Desk): string[] => requests.map((request) => bodyOf(request).operationName);

  /** Waits until the page is live and has read the state once more. Forgets its requests. */
  const settle = async (desk: Desk): Promise<void> => {
    await isLive(desk.page);
    await expect.poll(() => operationsOf(desk).filter((name) => name === 'CustomerOverview').length).toBeGreaterThan(1);
    await desk.page.waitForFunction(() => document.querySelector('article')?.getAttribute('aria-busy') === 'false');
    desk.requests.length = 0;
  };

  const setPhone = (phone: string) =>
    stack.ask('mutation ($phone: String) { updateCustomer(input: { id: "101", phone: $phone }) { customer { id } } }', {
      phone,
    });
  const pay = async (amount: string, description: string) => {
    const { data, errors } = await stack.ask<{ createPayment: { payment: { id: string } } }>(
      `mutation ($amount: Decimal!, $key: String!, $description: String, $email: String!) {
        createPayment(input: {
          amount: { amount: $amount, currency: "SEK" }, customerEmail: $email, description: $description,
          idempotencyKey: $key, paymentMethodId: "pm_card_visa"
        }) { payment { id } }
      }`,
      { amount, description, email: ada?.email, key: `live-${amount}-0123456789abcdef` },
    );
    expect(errors?.map(({ message }) => message)).toBeUndefined();
    return data?.createPayment.payment.id;
  };

  test('a change in a sandbox is on two open desks through their subscriptions, without a further query', async () => {
    const desks = [await open(), await open()];
    for (const desk of desks) await settle(desk);
    await setPhone('+46 70 111 22 33');
    for (const { page } of desks) {
      await page.getByRole('link', { name: '+46 70 111 22 33' }).waitFor();
      await page.getByText(/^Last change at \d\d:\d\d:\d\d$/).waitFor();
      // For screen readers.
      await page.getByText('The customer’s record has changed.').waitFor();
    }
    expect(desks.flatMap(operationsOf)).toEqual([]);
  });

  test('a new payment is first in the list, and a refund and the balance change with it', async () => {
    const desk = await open();
    const { page } = desk;
    await settle(desk);
    const id = await pay('123.45', 'Paid elsewhere');
    const first = page.getByRole('listitem', { name: /^Payment of/ }).first();
    await expect.poll(async () => plain(await first.innerText())).toMatch(/^Paid elsewhere\s+SEK 123.45[\s\S]*Paid/);
    await stack.ask(
      `mutation ($id: ID!) { refundPayment(input: {
        paymentId: $id, idempotencyKey: "live-refund-0123456789abcdef", amount: { amount: "23.45", currency: "SEK" }
      }) { refund { id } } }`,
      { id },
    );
    await expect.poll(async () => plain(await first.innerText())).toMatch(/Partly refunded[\s\S]*−SEK 23.45/);
    expect(operationsOf(desk)).toEqual([]);
    // The list has it once, also after a reload.
    await page.reload();
    await expect.poll(() => page.getByText('Paid elsewhere').count()).toBe(1);
  });

  test('after a lost stream, the page says so, and gets what it has missed after the last event, without reading all again', async () => {
    expected = /Failed to load resource|net::ERR/;
    const folder = mkdtempSync(join(tmpdir(), 'desk-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const env = { PORT: String(await freePort()), EVENTS_FILE: join(folder, 'events.sqlite') };
    const gateway = await stack.startAnother(env);
    connectWebhooks(stack, gateway.url);
    onTestFinished(() => connectWebhooks(stack, stack.url));
    const desk = await open(gateway.url);
    const { page } = desk;
    await settle(desk);
    await setPhone('+46 70 444 55 66');
    await page.getByRole('link', { name: '+46 70 444 55 66' }).waitFor();
    // The stream of payments has had no event, and does not know its place.
    await pay('50', 'Before the restart');
    await page.getByText('Before the restart').waitFor();
    await gateway.close();
    await expect.poll(() => sign(page).innerText()).toBe('Not live. Reconnecting…');
    expect(await findViolations(page)).toEqual([]);
    const again = await stack.startAnother(env);
    onTestFinished(again.close);
    await setPhone('+46 70 777 88 99');
    // On a busy machine, it has reconnected by itself before.
    const click = page.getByRole('button', { name: 'Reconnect now' }).click();
    await Promise.race([click.catch(() => {}), isLive(page)]);
    await page.getByRole('link', { name: '+46 70 777 88 99' }).waitFor();
    await isLive(page);
    const lastEventIds = desk.requests.map(bodyOf).map(({ extensions }) => extensions.tributary?.lastEventId);
    for (const id of lastEventIds) expect(id).toMatch(/^[0-9a-f]+-\d+-\d+$/);
    expect(new Set(operationsOf(desk))).toEqual(new Set(['CustomerChanges', 'PaymentChanges']));
  });

  test('after a place that is not known any more, the page reads the state', async () => {
    expected = /Failed to load resource|net::ERR/;
    const env = { PORT: String(await freePort()), EVENTS_FILE: ':memory:' };
    const gateway = await stack.startAnother(env);
    connectWebhooks(stack, gateway.url);
    onTestFinished(() => connectWebhooks(stack, stack.url));
    const desk = await open(gateway.url);
    const { page } = desk;
    await settle(desk);
    await setPhone('+46 70 000 00 01');
    await page.getByRole('link', { name: '+46 70 000 00 01' }).waitFor();
    await gateway.close();
    connectWebhooks(stack, stack.url);
    await setPhone('+46 70 000 00 02');
    const again = await stack.startAnother(env);
    onTestFinished(again.close);
    await page.getByRole('link', { name: '+46 70 000 00 02' }).waitFor();
    await isLive(page);
    expect(operationsOf(desk)).toContain('CustomerOverview');
  });

  test('a page in the background has no streams, and goes on when it is shown', async () => {
    const desk = await open();
    const { page } = desk;
    await settle(desk);
    const show = (state: string) =>
      page.evaluate((value) => {
        Object.defineProperty(document, 'visibilityState', { value, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }, state);
    const closed = page.waitForEvent('requestfailed');
    await show('hidden');
    await closed;
    await setPhone('+46 70 222 33 44');
    await show('visible');
    await page.getByRole('link', { name: '+46 70 222 33 44' }).waitFor();
    await isLive(page);
  });

  test('more pages than the browser has connections for are usable, and those without a stream say so', async () => {
    const desk = await open();
    await settle(desk);
    const context = desk.page.context();
    const pages: Page[] = [];
    for (let index = 0; index < 3; index += 1) {
      const page = await context.newPage();
      pages.push(page);
      await page.goto(`${stack.url}${adasPage}`);
      await page.getByRole('heading', { name: 'Ada Lindqvist' }).waitFor();
    }
    await isLive(pages[0] as Page);
    await expect.poll(() => sign(pages[2] as Page).innerText()).toBe('Not live. Reconnecting…');
    // A place that gets free is taken.
    await desk.page.close();
    await pages[0]?.close();
    await isLive(pages[2] as Page);
  });

  test('a subscription that is refused leaves the page as it is', async () => {
    // Nothing reports the stock of the shop.
    const desk = await open();
    await settle(desk);
    expect((await (await fetch(`${stack.url}/desk/config.json`)).json()).live).not.toContain('inventory');
    await desk.page.getByRole('button', { name: 'Set the stock of NYHO-XL' }).waitFor();
    expect(operationsOf(desk)).not.toContain('StockChanges');
  });

  test.each(['light', 'dark'] as const)(
    'the sign is accessible and fits a phone, in %s colors',
    async (colorScheme) => {
      const desk = await open(stack.url, { viewport: { width: 360, height: 740 }, isMobile: true, colorScheme });
      await settle(desk);
      await setPhone(`+46 70 ${colorScheme === 'dark' ? '333' : '888'} 00 00`);
      await desk.page.getByText(/^Last change at/).waitFor();
      expect(await findViolations(desk.page)).toEqual([]);
      expect(await desk.page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    },
  );

  test('without webhooks, the desk sends no subscriptions and has no sign', async () => {
    const gateway = await stack.startAnother({ STRIPE_WEBHOOK_SECRET: '', HUBSPOT_WEBHOOK_SECRET: '' });
    onTestFinished(gateway.close);
    const desk = await open(gateway.url);
    await desk.page.getByRole('heading', { name: 'Ada Lindqvist' }).waitFor();
    await desk.page.getByRole('button', { name: 'Set the stock of NYHO-XL' }).waitFor();
    expect(await sign(desk.page).innerText()).toBe('');
    expect(operationsOf(desk).filter((name) => name?.endsWith('Changes'))).toEqual([]);
  });
});
