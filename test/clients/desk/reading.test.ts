/// <reference lib="dom" />
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hasTool } from '../../helpers/tools.ts';
import { adasPage, bannersOf, isVisible, plain, textOf, withDesk } from './desk.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const PHONE = { viewport: { width: 375, height: 700 }, hasTouch: true, isMobile: true };

describe.skipIf(!hasTool('chromium'))('the customer desk', { tags: ['long'] }, () => {
  const { stack, open, expectComplaints } = withDesk();
  const firstDeal = (page: Page) => page.getByRole('region', { name: 'Deals' }).getByRole('listitem').first().waitFor();

  test('a customer can be found, opened and read with the keyboard alone', async () => {
    const page = await open('/desk');
    await isVisible(page, '20 customers, and more');
    await page.getByRole('searchbox', { name: 'Search' }).focus();
    await page.keyboard.type('ada.lindqvist');
    await expect.poll(() => page.url()).toContain('?q=ada.lindqvist');
    await isVisible(page, '1 customer');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    const heading = page.getByRole('heading', { level: 2, name: 'Ada Lindqvist' });
    await heading.waitFor();
    expect(await heading.evaluate((node) => node === document.activeElement)).toBe(true);
    expect(await page.title()).toBe('Ada Lindqvist – Tributary desk');
    await firstDeal(page);
    expect(await page.locator('dl').innerText()).toContain('Uppsala Joinery');
    expect(await textOf(page, 'Payments')).toContain('SEK 298.30');
    expect(await textOf(page, 'Deals')).toMatch(/in stock/);
    // The URL holds the whole state, so it can be shared.
    await page.reload();
    await heading.waitFor();
    await isVisible(page, '1 customer');
  });

  test('operations are sent by their ids, and lists with GET, so that the browser can cache them', async () => {
    const sent: { method: string; text: string }[] = [];
    const page = await open('about:blank');
    page.on('request', (request) => {
      if (request.url().includes('/graphql'))
        sent.push({ method: request.method(), text: decodeURIComponent(request.url()) + (request.postData() ?? '') });
    });
    await page.goto(`${stack().url}${adasPage}`);
    await page.getByRole('region', { name: 'Deals' }).waitFor();
    await isVisible(page, '20 customers, and more');
    expect(sent.map(({ method }) => method).sort()).toEqual(['GET', 'POST']);
    for (const { text } of sent) {
      expect(text).toContain('sha256Hash');
      expect(text).not.toContain('firstName');
    }
  });

  test('given an unreadable record in each list, then it is reported, and the others are shown', async () => {
    const edit = (at: string, change: (item: Record<string, unknown>) => void) => (body: string) => {
      const answer = JSON.parse(body);
      change(answer[at].at(-1) ?? {});
      return JSON.stringify(answer);
    };
    const createdAt = edit('results', (item) => Object.assign(item, { createdAt: 1 }));
    stack().hubspot.fail({ on: 'contacts/search', rewrite: createdAt });
    stack().hubspot.fail({ on: 'GET /crm/objects/2026-09/contacts', rewrite: createdAt });
    stack().hubspot.fail({ on: 'deals/batch/read', rewrite: createdAt });
    stack().hubspot.fail({
      on: 'line_items/batch/read',
      rewrite: edit('results', (item) => Object.assign(item, { properties: { quantity: 'x' } })),
    });
    stack().stripe.fail({
      on: 'GET /v1/payment_intents',
      rewrite: edit('data', (item) => Object.assign(item, { status: 'by_pigeon' })),
    });
    const list = await open('/desk');
    await isVisible(list, 'One customer could not be loaded.');
    expect(await list.getByRole('listitem').count()).toBe(19);
    await list.goto(`${stack().url}${adasPage}`);
    await isVisible(list, 'One payment could not be loaded.');
    await isVisible(list, 'One deal could not be loaded.');
    await isVisible(list, 'One of its lines could not be loaded.');
    expect(await textOf(list, 'Payments')).toContain('SEK 298.30');
    expect(await textOf(list, 'Deals')).toMatch(/in stock/);
    // No provider is down.
    expect(await bannersOf(list)).toEqual([]);
  });

  test('given a payment without an amount, then it is shown as unknown, and cannot be refunded', async () => {
    stack().stripe.fail({
      on: 'GET /v1/payment_intents',
      rewrite: (body) => body.replaceAll('"amount":', '"was":').replaceAll('"amount_received":', '"had":'),
    });
    const page = await open(adasPage);
    await isVisible(page, 'Unknown amount');
    expect(await page.getByRole('button', { name: /^Refund/ }).count()).toBe(0);
  });

  test.each([
    [-3, 1, '3 backordered'],
    [0, 0, 'Out of stock'],
    [0, 1, 'On backorder'],
    [5, 0, '5 not for sale'],
    [5, 1, '5 in stock'],
  ])('given stock of %d and is_in_stock %d, then "%s" is shown', async (quantity, isInStock, text) => {
    stack().openmage.fail({
      on: 'catalogInventoryStockItemList',
      rewrite: (body) =>
        body
          .replace(/<qty>[^<]*/g, `<qty>${quantity.toFixed(4)}`)
          .replace(/<is_in_stock>\d/g, `<is_in_stock>${isInStock}`),
    });
    const page = await open(adasPage);
    const cell = page.getByRole('row', { name: /NYHO-XL/ }).getByRole('cell');
    expect(await cell.last().locator('.badge').innerText()).toBe(text);
  });

  test('placeholders are shown while data is loading', async () => {
    let release = () => {};
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    stack().hubspot.fail({ until });
    const page = await open(adasPage);
    await page.getByRole('navigation').locator('.skeleton').waitFor();
    await page.getByRole('main').locator('.skeleton').first().waitFor();
    expect(await page.getByRole('article').getAttribute('aria-busy')).toBe('true');
    await isVisible(page, 'Loading…');
    release();
    await firstDeal(page);
    await isVisible(page, '20 customers, and more');
    expect(await page.locator('.skeleton').count()).toBe(0);
  });

  describe('given a provider is down', () => {
    test('Stripe: one banner, everything but payments is shown, and a retry loads these later', async () => {
      stack().stripe.fail({ status: 503 });
      const page = await open(adasPage);
      await isVisible(page, 'Payments could not be loaded.');
      expect(await bannersOf(page)).toEqual(['The payment system is unavailable. Payments cannot be loaded.']);
      expect(await page.locator('dl').innerText()).toContain('Uppsala Joinery');
      expect(await textOf(page, 'Deals')).toMatch(/in stock/);
      stack().reset();
      await expect
        .poll(async () => {
          await page
            .getByRole('button', { name: 'Try again' })
            .click({ timeout: 500 })
            .catch(() => {});
          return textOf(page, 'Payments');
        })
        .toContain('SEK 298.30');
      await expect.poll(() => bannersOf(page)).toEqual([]);
    });

    test('the shop: one banner for all products, which disappears with the customer', async () => {
      stack().openmage.fail({ status: 500 });
      const page = await open(adasPage);
      await page.getByRole('button', { name: 'The stock of NYHO-XL is unknown. Try again' }).waitFor();
      expect(await bannersOf(page)).toEqual(['Inventory is unavailable. Stock cannot be loaded.']);
      expect(await textOf(page, 'Payments')).toContain('SEK 298.30');
      // Banners refer to what is on the screen.
      await page.getByRole('link', { name: 'Tributary' }).click();
      await isVisible(page, 'No customer selected');
      expect(await bannersOf(page)).toEqual([]);
    });

    test('HubSpot: one banner for both the list and the customer', async () => {
      stack().hubspot.fail({ status: 502 });
      const page = await open(adasPage);
      await isVisible(page, 'The customer could not be loaded.');
      await isVisible(page, 'The customers could not be loaded.');
      expect(await bannersOf(page)).toEqual(['The CRM is unavailable. Customers and deals cannot be loaded.']);
    });

    test('the gateway: loaded data stays, and a banner says that Tributary is unavailable', async () => {
      const gateway = await stack().startAnother();
      const page = await open(`${gateway.url}/desk`);
      await isVisible(page, '20 customers, and more');
      await gateway.close();
      expectComplaints(/Failed to load resource/);
      await page.getByRole('link', { name: /Ada Lindqvist/ }).click();
      await isVisible(page, 'The customer could not be loaded.');
      expect(await bannersOf(page)).toEqual(['Tributary is unavailable. Anything new cannot be loaded.']);
      await isVisible(page, '20 customers, and more');
    });

    test('and an older value is cached: the banner shows its age, and keeps it up to date', async () => {
      const gateway = await stack().startAnother({ CACHE_MAX_MIB: '16', OPENMAGE_CACHE: 'stock=0/0/3600' });
      onTestFinished(() => gateway.close());
      const page = await open('about:blank');
      await page.clock.install();
      await page.goto(`${gateway.url}${adasPage}`);
      await firstDeal(page);
      stack().openmage.fail({ drop: 'before' });
      await page.reload();
      await isVisible(page, /^Inventory is unavailable. Showing stock from \d+ seconds? ago.$/);
      expect(await textOf(page, 'Deals')).toMatch(/in stock/);
      await page.clock.fastForward(120_000);
      await expect.poll(() => bannersOf(page)).toEqual(['Inventory is unavailable. Showing stock from 2 minutes ago.']);
    });
  });

  test('a background refresh is not reported as an outage', async () => {
    const types = ['accounts', 'paymentLists', 'payments'].map((type) => `${type}=0/600/3600`);
    const gateway = await stack().startAnother({ CACHE_MAX_MIB: '16', STRIPE_CACHE: types.join(',') });
    onTestFinished(() => gateway.close());
    const page = await open(`${gateway.url}${adasPage}`);
    await firstDeal(page);
    const answered = page.waitForResponse((response) => response.request().method() === 'POST');
    await page.reload();
    expect(await (await answered).text()).toContain('"reason":"REFRESHING"');
    await firstDeal(page);
    expect(await bannersOf(page)).toEqual([]);
  });

  test.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['on a phone', PHONE],
  ])('is accessible, %s', async (_, options) => {
    stack().openmage.fail({ status: 500 });
    const page = await open(`${adasPage}?q=lindqvist`, options);
    await page
      .getByRole('button', { name: /is unknown/ })
      .first()
      .waitFor();
    const check = async () => {
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() =>
        (
          window as unknown as {
            axe: { run: () => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
          }
        ).axe.run(),
      );
      return violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
    };
    expect(await check()).toEqual([]);
    await page
      .getByRole('button', { name: /^Refund/ })
      .first()
      .click();
    const amount = page.getByLabel('Amount in SEK');
    await amount.fill('1');
    stack().stripe.fail({ on: '/v1/refunds', status: 400, times: 1 });
    await page.keyboard.press('Enter');
    await isVisible(page, 'The refund was not confirmed.');
    await amount.fill('0');
    expect(await check()).toEqual([]);
    await page.keyboard.press('Escape');
    // Nothing is wider than the window.
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
    await page.goto(`${stack().url}/desk/no/such/page`);
    await isVisible(page, 'Page not found');
    expect(await check()).toEqual([]);
  });

  test('on a phone, the list and the customer are separate screens with a link back', async () => {
    const page = await open('/desk?q=ada.lindqvist', PHONE);
    const link = page.getByRole('link', { name: /Ada Lindqvist/ });
    await link.click();
    await page.getByRole('heading', { level: 2, name: 'Ada Lindqvist' }).waitFor();
    expect(await link.isVisible()).toBe(false);
    await page.getByRole('link', { name: 'All customers' }).click();
    await link.waitFor();
    expect(await page.getByRole('searchbox').inputValue()).toBe('ada.lindqvist');
  });

  describe('the layout', () => {
    const boxOf = async (page: Page, region: string) => {
      const box = await page.getByRole('region', { name: region }).boundingBox();
      if (!box) throw new Error(`There is no region ${region}.`);
      return box;
    };

    test('has two columns in a wide window and one in a narrow one', async () => {
      const page = await open(adasPage, { viewport: { width: 1600, height: 900 } });
      await firstDeal(page);
      const [payments, deals] = [await boxOf(page, 'Payments'), await boxOf(page, 'Deals')];
      expect(deals.y).toBe(payments.y);
      expect(deals.x).toBeGreaterThan(payments.x + payments.width);
      // Together they fill the width beside the list of customers.
      expect(deals.x + deals.width).toBeGreaterThan(1500);
      await page.setViewportSize({ width: 1000, height: 900 });
      expect((await boxOf(page, 'Deals')).y).toBeGreaterThan((await boxOf(page, 'Payments')).y);
      expect((await boxOf(page, 'Deals')).x).toBe((await boxOf(page, 'Payments')).x);
    });

    test('figures are right-aligned and have digits of equal width', async () => {
      const page = await open(adasPage, { viewport: { width: 1600, height: 900 } });
      await firstDeal(page);
      for (const column of [
        'td[data-label="Quantity"]',
        'td[data-label="Unit price"]',
        '.cards > li > .line > .figure',
      ]) {
        const figures = page.getByRole('region', { name: 'Deals' }).locator(column);
        const found = await figures.evaluateAll((all) =>
          all.map((node) => {
            const range = document.createRange();
            range.selectNodeContents(node);
            return [Math.round(range.getBoundingClientRect().right), getComputedStyle(node).fontVariantNumeric];
          }),
        );
        expect(found.length).toBeGreaterThan(2);
        expect(new Set(found.map(([right]) => right)).size).toBe(1);
        expect(new Set(found.map(([, numeric]) => numeric))).toEqual(new Set(['tabular-nums']));
      }
    });

    test('an email address breaks between words only, and each row has two lines', async () => {
      const long = 'bartholomew.featherstonehaugh@customers-of-the-north.example';
      const lengthen = (body: string) =>
        body
          .replaceAll('ada.lindqvist@customers.example', long)
          .replaceAll('Uppsala Joinery', 'Uppsala Joinery and Sons of the Far North');
      stack().hubspot.fail({ rewrite: lengthen });
      const page = await open('/desk', { viewport: { width: 320, height: 700 }, isMobile: true });
      const rows = page.getByRole('list', { name: 'Customers' }).getByRole('link');
      await rows.first().waitFor();
      const heights = await rows.evaluateAll((all) => all.map((row) => Math.round(row.getBoundingClientRect().height)));
      expect(new Set(heights).size).toBe(1);
      expect(heights[0]).toBeLessThan(60);
      await rows.first().click();
      const address = page.getByRole('link', { name: long });
      const lines = await address.evaluate((link) =>
        [...link.childNodes]
          .filter((node) => node.nodeType === Node.TEXT_NODE)
          .map((node) => {
            const range = document.createRange();
            range.selectNodeContents(node);
            return range.getClientRects().length;
          }),
      );
      // It has more than one line, and each of its words is on one of them.
      expect((await address.boundingBox())?.height).toBeGreaterThan(30);
      expect(lines).toEqual(lines.map(() => 1));
    });
  });

  test('the theme follows the system until one is chosen, and the choice is remembered', async () => {
    const page = await open('/desk', { colorScheme: 'light' });
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await ground();
    await page.emulateMedia({ colorScheme: 'dark' });
    const dark = await ground();
    expect(dark).not.toBe(light);
    await page.getByLabel('Theme').selectOption('Light');
    expect(await ground()).toBe(light);
    await page.reload();
    await page.getByLabel('Theme').waitFor();
    expect(await ground()).toBe(light);
    await page.emulateMedia({ colorScheme: 'light' });
    await page.getByLabel('Theme').selectOption('Dark');
    expect(await ground()).toBe(dark);
    await page.getByLabel('Theme').selectOption('System');
    expect(await ground()).toBe(light);
  });

  describe('an unknown URL', () => {
    test.each(['999999999', '%25E0%25A4', 'a%2Fb'])(
      'with the customer id %s shows that there is no such customer',
      async (id) => {
        const page = await open(`/desk/customers/${id}`);
        await page.getByRole('heading', { level: 2, name: 'Customer not found' }).waitFor();
        expect(await page.title()).toBe('Customer not found – Tributary desk');
        await page.getByRole('link', { name: 'Show all customers' }).click();
        await isVisible(page, 'No customer selected');
      },
    );

    test('shows a page that says so, on a phone too', async () => {
      const page = await open('/desk/deals?q=ewa', PHONE);
      const heading = page.getByRole('heading', { level: 2, name: 'Page not found' });
      await heading.waitFor();
      expect(await heading.evaluate((node) => node === document.activeElement)).toBe(true);
      await isVisible(page, 'There is no page at /deals.');
      await page.getByRole('link', { name: 'Show all customers' }).click();
      expect(await page.getByRole('searchbox').inputValue()).toBe('ewa');
    });
  });

  test('a payment shows how much of it was refunded', async () => {
    const page = await open(adasPage);
    const order = page.getByRole('listitem', { name: /^Payment of SEK\s424.65/ });
    await order.waitFor();
    expect(plain(await order.innerText())).toMatch(/Order 20000\s+SEK 424.65\s+5 Jan 2026\s+Partly refunded/);
    expect(plain(await order.innerText())).toMatch(/Refund, 8 Jan 2026, succeeded\s+−SEK 106.16/);
    await isVisible(page, 'Needs a payment method');
    await isVisible(page, 'Paid');
  });
});
