/// <reference lib="dom" />
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { type OpenPage, type StartedBrowser, startBrowser } from '../kit/browser.ts';
import { operationsOf, type Stack, startStack } from '../kit/stack.ts';
import { hasTool } from '../kit/tools.ts';

/* The customer desk in a real browser, with the gateway and the sandboxes behind it. */

const company = createCompany();
const [ada] = company.people;
const adasPage = `/desk/customers/${ada?.id}`;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe.skipIf(!hasTool('chromium'))('the customer desk', () => {
  let stack: Stack;
  let browser: StartedBrowser;
  let opened: OpenPage;
  /** Complaints that a test provokes. */
  let expected: RegExp[];

  beforeAll(async () => {
    stack = await startStack();
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await stack.close();
  });
  beforeEach(() => {
    stack.reset();
    expected = [];
  });
  afterEach(async () => {
    expect(opened.complaints.filter((one) => !expected.some((pattern) => pattern.test(one)))).toEqual([]);
    await opened.page.context().close();
  });

  const open = async (path: string, options = {}): Promise<Page> => {
    opened = await browser.open(`${stack.url}${path}`, options);
    return opened.page;
  };
  // `Intl` puts a space that does not break between currency and amount.
  const plain = (text: string) => text.replaceAll('\u00a0', ' ');
  const textOf = async (page: Page, region: string) =>
    plain(await page.getByRole('region', { name: region }).innerText());
  const isVisible = (page: Page, text: string | RegExp) => page.getByText(text).first().waitFor();

  test('customers are searched, opened and read with the keyboard alone', async () => {
    const page = await open('/desk');
    await isVisible(page, '20 customers, and more');
    await page.getByRole('searchbox', { name: 'Search by name, address or number' }).focus();
    await page.keyboard.type('ada.lindqvist');
    await isVisible(page, '1 customer');
    expect(page.url()).toContain('?q=ada.lindqvist');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    const heading = page.getByRole('heading', { level: 2, name: 'Ada Lindqvist' });
    await heading.waitFor();
    expect(await heading.evaluate((node) => node === document.activeElement)).toBe(true);
    expect(await page.title()).toBe('Ada Lindqvist – Customer desk');
    await page.getByRole('region', { name: 'Deals' }).getByRole('listitem').first().waitFor();
    expect(await page.locator('dl').innerText()).toContain('Uppsala Joinery');
    expect(await textOf(page, 'Payments')).toContain('SEK 298.30');
    expect(await textOf(page, 'Deals')).toMatch(/In stock/);
    // The address is the whole state: it can be sent to somebody.
    await page.reload();
    await heading.waitFor();
    await isVisible(page, '1 customer');
  });

  test('a search is one search, not one for each letter', async () => {
    const page = await open('/desk');
    await isVisible(page, '20 customers, and more');
    stack.reset();
    await page.getByRole('searchbox').pressSequentially('lindqvist');
    await isVisible(page, '13 customers');
    expect(operationsOf(stack.hubspot).filter((operation) => operation.endsWith('/search'))).toHaveLength(1);
  });

  test('more customers come page by page, and nobody is missing or there twice', async () => {
    const page = await open('/desk');
    await isVisible(page, '20 customers, and more');
    await page.getByRole('button', { name: 'Show more' }).click();
    await isVisible(page, '40 customers, and more');
    const links = await page.getByRole('navigation').getByRole('listitem').getByRole('link').all();
    const ids = await Promise.all(links.map(async (link) => (await link.getAttribute('href'))?.split('/').at(-1)));
    expect(ids).toEqual(company.people.slice(0, 40).map(({ id }) => id));
  });

  test('operations go out by their ids, and the browser keeps lists as long as they are good', async () => {
    const sent: { method: string; text: string }[] = [];
    opened = await browser.open('about:blank');
    const { page } = opened;
    page.on('request', (request) => {
      if (request.url().includes('/graphql'))
        sent.push({ method: request.method(), text: decodeURIComponent(request.url()) + (request.postData() ?? '') });
    });
    await page.goto(`${stack.url}${adasPage}`);
    await page.getByRole('region', { name: 'Deals' }).waitFor();
    await isVisible(page, '20 customers, and more');
    expect(sent.map(({ method }) => method).sort()).toEqual(['GET', 'POST']);
    for (const { text } of sent) {
      expect(text).toContain('sha256Hash');
      expect(text).not.toContain('firstName');
    }
  });

  test('more payments come on asking, and asked again where they could not', async () => {
    const payer = company.people.find(({ email }) => email === 'oluwaseun.lindqvist@customers.example');
    const page = await open(`/desk/customers/${payer?.id}`);
    const payments = page.getByRole('region', { name: 'Payments' });
    const more = payments.getByRole('button', { name: 'Show more payments' });
    await more.waitFor();
    expect(await payments.getByRole('listitem').count()).toBe(10);
    stack.stripe.fail({ status: 401 });
    await more.click();
    await payments.getByText('More payments cannot be shown.').waitFor();
    expect(await payments.getByRole('listitem').count()).toBe(10);
    stack.reset();
    await payments.getByRole('button', { name: 'Try again' }).click();
    await expect.poll(() => payments.getByRole('listitem').count()).toBe(13);
    expect(await payments.getByRole('button', { name: /more payments|Try again/ }).count()).toBe(0);
  });

  describe('a refund', () => {
    const refund = async (page: Page, amount: string) => {
      await page.getByRole('button', { name: 'Refund SEK 298.30' }).click();
      await page.getByLabel('Amount in SEK').fill(amount);
    };
    const confirm = (page: Page, name = 'Refund') => page.getByRole('dialog').getByRole('button', { name }).click();
    const refundsAtStripe = () => stack.stripe.calls.filter(({ operation }) => operation === 'POST /v1/refunds');
    const payment = async (page: Page) =>
      plain(await page.getByRole('listitem', { name: 'Payment of SEK 298.30' }).innerText());

    test('is shown at once, and stays when it is done', async () => {
      const page = await open(adasPage);
      await refund(page, '1,50');
      stack.stripe.fail({ on: 'POST /v1/refunds', delayMs: 700, times: 1 });
      await confirm(page);
      await expect.poll(() => payment(page)).toContain('SEK 1.50 given back: pending');
      await expect.poll(() => payment(page)).toContain('SEK 1.50 given back: succeeded');
      await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
      expect(refundsAtStripe()).toMatchObject([{ idempotencyKey: expect.stringMatching(/^.{32,}$/) }]);
      const focused = await page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
      expect(plain(focused ?? '')).toMatch(/^Refund SEK 298.30/);
    });

    test('is undone where it fails, and tried again it is still one refund', async () => {
      const page = await open(adasPage);
      await refund(page, '2');
      // Carried out, but the answer is lost each time it is asked.
      stack.stripe.fail({ on: '/v1/refunds', drop: 'after' });
      await confirm(page);
      await isVisible(page, /The refund was not confirmed. Whether it was done is not known./);
      expect(await payment(page)).not.toContain('SEK 2.00');
      expect(await page.getByLabel('Amount in SEK').getAttribute('readonly')).not.toBeNull();
      stack.reset();
      await confirm(page, 'Try again');
      await expect.poll(() => payment(page)).toContain('SEK 2.00 given back: succeeded');
      await page.reload();
      await expect.poll(() => payment(page)).toContain('SEK 2.00');
      expect((await payment(page)).match(/SEK 2.00/g)).toHaveLength(1);
    });

    test('that the payment system refuses can be changed', async () => {
      const page = await open(adasPage);
      await refund(page, '3');
      stack.stripe.fail({ on: '/v1/refunds', status: 400, times: 1 });
      await confirm(page);
      await isVisible(page, 'The refund was not confirmed.');
      await page.getByLabel('Amount in SEK').fill('4');
      await confirm(page, 'Try again');
      await expect.poll(() => payment(page)).toContain('SEK 4.00 given back');
      const keys = refundsAtStripe().map(({ idempotencyKey }) => idempotencyKey);
      expect(new Set(keys).size).toBe(2);
    });

    test.each([
      ['0', 'An amount above zero'],
      ['abc', 'An amount above zero'],
      ['99999', 'Not more than'],
    ])('of %s is not sent', async (amount, why) => {
      const page = await open(adasPage);
      await refund(page, amount);
      await isVisible(page, why);
      await page.keyboard.press('Enter');
      expect(refundsAtStripe()).toEqual([]);
    });
  });

  describe('stock', () => {
    const set = async (page: Page, quantity: string) => {
      await page.getByRole('button', { name: 'Set the stock of NYHO-XL' }).click();
      await page.getByLabel('In stock of NYHO-XL').fill(quantity);
      await page.keyboard.press('Enter');
    };
    const level = (page: Page) => page.getByRole('row', { name: /NYHO-XL/ }).innerText();

    test('is set, wherever the goods are shown', async () => {
      const page = await open(adasPage);
      await page.getByRole('button', { name: 'Set the stock of NYHO-XL' }).waitFor();
      stack.openmage.fail({ on: 'Update', delayMs: 700, times: 1 });
      await set(page, '17');
      // At once, while the shop has not answered yet.
      await expect.poll(() => level(page)).toMatch(/\b17\b/);
      const button = page.getByRole('button', { name: 'Set the stock of NYHO-XL' });
      expect(await button.isDisabled()).toBe(true);
      await expect.poll(() => button.isDisabled()).toBe(false);
      await page.reload();
      await expect.poll(() => level(page)).toMatch(/\b17\b/);
    });

    test('goes back where it cannot be set', async () => {
      const page = await open(adasPage);
      await page.getByRole('button', { name: 'Set the stock of NYHO-XL' }).waitFor();
      const before = await level(page);
      stack.openmage.fail({ status: 500 });
      await set(page, '99');
      await isVisible(page, 'Not set.');
      expect(await page.getByLabel('In stock of NYHO-XL').inputValue()).toBe('99');
      await page.getByRole('button', { name: 'Cancel' }).click();
      expect(await level(page)).toBe(before);
    });
  });

  describe('given one provider is down', () => {
    test('Stripe: all but payments is there, and they come when it is back', async () => {
      stack.stripe.fail({ status: 503 });
      const page = await open(adasPage);
      const alert = page.getByRole('region', { name: 'Payments' }).getByRole('alert');
      expect(await alert.innerText()).toContain('Payments cannot be shown. It cannot be reached.');
      expect(await page.locator('dl').innerText()).toContain('Uppsala Joinery');
      expect(await textOf(page, 'Deals')).toMatch(/In stock/);
      stack.reset();
      await expect
        .poll(async () => {
          await alert
            .getByRole('button', { name: 'Try again' })
            .click({ timeout: 500 })
            .catch(() => {});
          return textOf(page, 'Payments');
        })
        .toContain('SEK 298.30');
    });

    test('the shop: all but stock is there', async () => {
      stack.openmage.fail({ status: 500 });
      const page = await open(adasPage);
      await page.getByRole('button', { name: 'Stock of NYHO-XL is not known. Try again' }).waitFor();
      expect(await textOf(page, 'Payments')).toContain('SEK 298.30');
    });

    test('HubSpot: it says that the customer cannot be shown', async () => {
      stack.hubspot.fail({ status: 502 });
      const page = await open(adasPage);
      await isVisible(page, 'The customer cannot be shown. It cannot be reached.');
      await isVisible(page, 'The customers cannot be shown. It cannot be reached.');
    });
  });

  test('what is older than usual is named at its own part', async () => {
    const env = { CACHE_MAX_MIB: '16', STRIPE_CACHE: 'accounts=0/0/3600,paymentLists=0/0/3600,payments=0/0/3600' };
    const gateway = await stack.startAnother(env);
    opened = await browser.open(`${gateway.url}${adasPage}`);
    const { page } = opened;
    await page.getByRole('region', { name: 'Payments' }).getByRole('listitem').first().waitFor();
    stack.stripe.fail({ drop: 'before' });
    await page.reload();
    const hint = page.getByRole('region', { name: 'Payments' }).getByRole('status');
    expect(await hint.innerText()).toMatch(
      /^The payment system cannot be asked right now. What it says here is from \d+ s/,
    );
    expect(await textOf(page, 'Payments')).toContain('SEK 298.30');
    expect(await textOf(page, 'Deals')).not.toContain('cannot be asked');
    await gateway.close();
  });

  test.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['on a phone', { viewport: { width: 375, height: 700 }, hasTouch: true, isMobile: true }],
  ])('has nothing that keeps anybody out, %s', async (_, options) => {
    expected = [/status of/];
    stack.openmage.fail({ status: 500 });
    const page = await open(adasPage, options);
    await page
      .getByRole('button', { name: /is not known/ })
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
    await page.getByLabel('Amount in SEK').fill('0');
    expect(await check()).toEqual([]);
    await page.keyboard.press('Escape');
    // Nothing is wider than the window.
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
  });

  test('on a phone there is the list, and then the customer, and a way back', async () => {
    const page = await open('/desk?q=ada.lindqvist', { viewport: { width: 375, height: 700 }, isMobile: true });
    const link = page.getByRole('link', { name: /Ada Lindqvist/ });
    await link.click();
    await page.getByRole('heading', { level: 2, name: 'Ada Lindqvist' }).waitFor();
    expect(await link.isVisible()).toBe(false);
    await page.getByRole('link', { name: 'All customers' }).click();
    await link.waitFor();
    expect(await page.getByRole('searchbox').inputValue()).toBe('ada.lindqvist');
  });

  test('a customer that is not there is said to be so', async () => {
    const page = await open('/desk/customers/999999999');
    await isVisible(page, 'There is no such customer.');
  });
});
