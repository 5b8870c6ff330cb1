/// <reference lib="dom" />
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, onTestFinished, test } from 'vitest';
import { operationsOf } from '../../helpers/stack.ts';
import { hasTool } from '../../helpers/tools.ts';
import { adasPage, company, isVisible, textOf, withDesk } from './desk.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe.skipIf(!hasTool('chromium'))('the customer desk', () => {
  const { stack, open } = withDesk();

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
    stack().reset();
    await page.getByRole('searchbox').pressSequentially('lindqvist');
    await isVisible(page, '13 customers');
    expect(operationsOf(stack().hubspot).filter((operation) => operation.endsWith('/search'))).toHaveLength(1);
  });

  test('a step back in the browser goes back to the search before', async () => {
    const page = await open('/desk?q=lindqvist');
    await isVisible(page, '13 customers');
    await page.getByRole('link', { name: /Ada Lindqvist/ }).click();
    await page.getByRole('searchbox').fill('ewa');
    await expect.poll(() => page.url()).toContain('q=ewa');
    await page.goBack();
    await isVisible(page, '13 customers');
    expect(await page.getByRole('searchbox').inputValue()).toBe('lindqvist');
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

  test('more payments come on asking, and asked again where they could not', async () => {
    const payer = company.people.find(({ email }) => email === 'oluwaseun.lindqvist@customers.example');
    const page = await open(`/desk/customers/${payer?.id}`);
    const payments = page.getByRole('region', { name: 'Payments' });
    const more = payments.getByRole('button', { name: 'Show more payments' });
    await more.waitFor();
    expect(await payments.getByRole('listitem').count()).toBe(10);
    stack().stripe.fail({ status: 401 });
    await more.click();
    await payments.getByText('More payments cannot be shown.').waitFor();
    expect(await payments.getByRole('listitem').count()).toBe(10);
    stack().reset();
    await payments.getByRole('button', { name: 'Try again' }).click();
    await expect.poll(() => payments.getByRole('listitem').count()).toBe(13);
    expect(await payments.getByRole('button', { name: /more payments|Try again/ }).count()).toBe(0);
  });

  test('one record that cannot be read is said to be missing, and the others are there', async () => {
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
    await isVisible(list, 'One customer cannot be shown right now.');
    expect(await list.getByRole('listitem').count()).toBe(19);
    await list.goto(`${stack().url}${adasPage}`);
    await isVisible(list, 'One payment cannot be shown right now.');
    await isVisible(list, 'One deal cannot be shown right now.');
    await isVisible(list, 'One of its lines cannot be shown right now.');
    expect(await textOf(list, 'Payments')).toContain('SEK 298.30');
    expect(await textOf(list, 'Deals')).toMatch(/In stock/);
  });

  test('an amount that the payment system does not say is not zero, and nothing can be given back of it', async () => {
    stack().stripe.fail({
      on: 'GET /v1/payment_intents',
      rewrite: (body) => body.replaceAll('"amount":', '"was":').replaceAll('"amount_received":', '"had":'),
    });
    const page = await open(adasPage);
    await isVisible(page, 'Unknown amount');
    expect(await page.getByRole('button', { name: /^Refund/ }).count()).toBe(0);
  });

  describe('given one provider is down', () => {
    test('Stripe: all but payments is there, and they come when it is back', async () => {
      stack().stripe.fail({ status: 503 });
      const page = await open(adasPage);
      const alert = page.getByRole('region', { name: 'Payments' }).getByRole('alert');
      expect(await alert.innerText()).toContain('Payments cannot be shown. It cannot be reached.');
      expect(await page.locator('dl').innerText()).toContain('Uppsala Joinery');
      expect(await textOf(page, 'Deals')).toMatch(/In stock/);
      stack().reset();
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
      stack().openmage.fail({ status: 500 });
      const page = await open(adasPage);
      await page.getByRole('button', { name: 'Stock of NYHO-XL is not known. Try again' }).waitFor();
      expect(await textOf(page, 'Payments')).toContain('SEK 298.30');
    });

    test('HubSpot: it says that the customer cannot be shown', async () => {
      stack().hubspot.fail({ status: 502 });
      const page = await open(adasPage);
      await isVisible(page, 'The customer cannot be shown. It cannot be reached.');
      await isVisible(page, 'The customers cannot be shown. It cannot be reached.');
    });
  });

  test('what is older than usual is named at its own part', async () => {
    const env = { CACHE_MAX_MIB: '16', STRIPE_CACHE: 'accounts=0/0/3600,paymentLists=0/0/3600,payments=0/0/3600' };
    const gateway = await stack().startAnother(env);
    onTestFinished(() => gateway.close());
    const page = await open(`${gateway.url}${adasPage}`);
    await page.getByRole('region', { name: 'Payments' }).getByRole('listitem').first().waitFor();
    stack().stripe.fail({ drop: 'before' });
    await page.reload();
    const hint = page.getByRole('region', { name: 'Payments' }).getByRole('status');
    expect(await hint.innerText()).toMatch(
      /^The payment system cannot be asked right now. What it says here is from \d+ s/,
    );
    expect(await textOf(page, 'Payments')).toContain('SEK 298.30');
    expect(await textOf(page, 'Deals')).not.toContain('cannot be asked');
  });

  test('of what is only being refreshed it says the age, and warns of nothing', async () => {
    const types = ['accounts', 'paymentLists', 'payments'].map((type) => `${type}=0/600/3600`);
    const gateway = await stack().startAnother({ CACHE_MAX_MIB: '16', STRIPE_CACHE: types.join(',') });
    onTestFinished(() => gateway.close());
    const page = await open(`${gateway.url}${adasPage}`);
    await page.getByRole('region', { name: 'Payments' }).getByRole('listitem').first().waitFor();
    await page.reload();
    await isVisible(page, /^From \d+ s ago\.$/);
    expect(await textOf(page, 'Payments')).not.toContain('cannot be asked');
  });

  test.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['on a phone', { viewport: { width: 375, height: 700 }, hasTouch: true, isMobile: true }],
  ])('has nothing that keeps anybody out, %s', async (_, options) => {
    stack().openmage.fail({ status: 500 });
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

  test.each(['%25E0%25A4', 'a%2Fb'])(
    'an address that nobody can have meant is said to be no customer: %s',
    async (id) => {
      const page = await open(`/desk/customers/${id}`);
      await isVisible(page, 'The customer cannot be shown. id: must be an id');
    },
  );
});
