/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { operationsOf } from '../../helpers/stack.ts';
import { hasTool } from '../../helpers/tools.ts';
import { adasPage, bannersOf, company, isVisible, withDesk } from './desk.ts';

describe.skipIf(!hasTool('chromium'))('the customer desk', { tags: ['long'] }, () => {
  const { stack, open } = withDesk();

  describe('the search', () => {
    const search = (page: Page, text: string) => page.getByRole('searchbox').fill(text);
    const loadList = async () => {
      const page = await open('/desk');
      await isVisible(page, '20 customers, and more');
      return page;
    };
    const group = (page: Page, name: string) => page.getByRole('region', { name }).getByRole('listitem');

    test('given fast typing, then it sends one search for customers and one for deals', async () => {
      const page = await open('about:blank');
      await page.clock.install();
      await page.goto(`${stack().url}/desk`);
      await isVisible(page, '20 customers, and more');
      stack().reset();
      // However slow this machine is, the page sees 50 ms between letters.
      await page.clock.pauseAt(Date.now() + 60_000);
      for (const letter of 'lindqvist') {
        await page.getByRole('searchbox').pressSequentially(letter);
        await page.clock.runFor(50);
      }
      await page.clock.resume();
      await isVisible(page, '13 customers; 10 deals');
      const searches = operationsOf(stack().hubspot).filter((operation) => operation.endsWith('/search'));
      expect(searches).toEqual(['POST /crm/objects/2026-09/contacts/search', 'POST /crm/objects/2026-09/deals/search']);
      await isVisible(page, 'There are more deals.');
    });

    test('given a new search, when the browser goes back, then the previous search is restored', async () => {
      const page = await open('/desk?q=lindqvist');
      await isVisible(page, '13 customers');
      await page.getByRole('link', { name: /^Ada Lindqvist/ }).click();
      await search(page, 'ewa');
      await expect.poll(() => page.url()).toContain('q=ewa');
      await page.goBack();
      await isVisible(page, '13 customers');
      expect(await page.getByRole('searchbox').inputValue()).toBe('lindqvist');
    });

    test.each([
      ['a company in any case', 'UPPSALA joinery', /^Ada Lindqvist/],
      ['a company without its accents', 'quebec cycles', /^Hana Grönholm/],
      ['a name without its accents', 'Jorgensen', /^Keiko Jørgensen/],
      ['a letter that Unicode does not decompose', 'lukasz', /^Łukasz Kowalczyk/],
      ['an accent typed as a combining character', 'Que\u0301bec cycles', /^Hana Grönholm/],
    ])('finds %s among the loaded customers', async (_, text, name) => {
      const page = await loadList();
      await search(page, text);
      await group(page, 'Customers loaded here').getByRole('link', { name }).waitFor();
      await isVisible(page, 'in the 20 customers loaded here');
    });

    test('can be continued in more customers', async () => {
      const late = company.people[25];
      const organisation = company.organisations.find(({ id }) => id === late?.organisationId);
      const page = await loadList();
      await search(page, organisation?.name ?? '');
      await isVisible(page, 'Nothing found.');
      await page.getByRole('button', { name: 'Search in more customers' }).click();
      await group(page, 'Customers loaded here')
        .getByRole('link', { name: `${late?.firstName} ${late?.lastName}` })
        .waitFor();
      await isVisible(page, 'in the 40 customers loaded here');
    });

    test('finds any deal in the CRM by its name and by its number, and opens its customer', async () => {
      const page = await loadList();
      await search(page, 'Lindqvist: fit-out');
      await group(page, 'Matching deals').first().waitFor();
      await search(page, '50276');
      await expect.poll(() => group(page, 'Matching deals').count()).toBe(1);
      const deal = group(page, 'Matching deals').getByRole('link', {
        name: /Lindqvist: fit-out.*Deal 50276.*Ada Lindqvist/s,
      });
      await deal.click();
      await page.getByRole('heading', { level: 2, name: 'Ada Lindqvist' }).waitFor();
      expect(page.url()).toMatch(/customers\/101\?q=50276$/);
    });

    test('finds an order, a product and a deal of a customer that was opened before', async () => {
      const page = await open(adasPage);
      await page
        .getByRole('listitem', { name: /^Payment of/ })
        .first()
        .waitFor();
      const found = group(page, 'Orders and deals of opened customers');
      await search(page, 'order 20001');
      await found.getByRole('link', { name: /Order 20001.*Ada Lindqvist/s }).waitFor();
      await search(page, 'nylon HOOK');
      await found.getByRole('link', { name: /fit-out.*Ada Lindqvist/s }).waitFor();
    });

    test('given the CRM is down, then loaded customers are still found', async () => {
      const page = await loadList();
      stack().hubspot.fail({ status: 502 });
      await search(page, 'ada');
      await group(page, 'Customers loaded here')
        .getByRole('link', { name: /^Ada Lindqvist/ })
        .waitFor();
      await isVisible(page, 'The customers could not be loaded.');
      expect(await bannersOf(page)).toEqual(['The CRM is unavailable. Customers and deals cannot be loaded.']);
    });
  });

  describe('Show more', () => {
    const focused = (page: Page) => page.evaluate(() => document.activeElement?.textContent);

    test('loads customers page by page, without gaps or duplicates', async () => {
      const page = await open('/desk');
      await isVisible(page, '20 customers, and more');
      const rows = page.getByRole('list', { name: 'Customers' }).getByRole('link');
      stack().hubspot.fail({ status: 502 });
      const more = page.getByRole('button', { name: 'Show more customers' });
      await more.click();
      await isVisible(page, 'More customers could not be loaded.');
      expect(await rows.count()).toBe(20);
      stack().reset();
      await expect
        .poll(async () => {
          await page
            .getByRole('navigation')
            .getByRole('button', { name: 'Try again' })
            .click({ timeout: 500 })
            .catch(() => {});
          return rows.count();
        })
        .toBe(40);
      const ids = await rows.evaluateAll((all) => all.map((link) => link.getAttribute('href')?.split('/').at(-1)));
      expect(ids).toEqual(company.people.slice(0, 40).map(({ id }) => id));
      // The button keeps the focus, so it can be pressed again.
      await more.click();
      await expect.poll(() => rows.count()).toBe(60);
      expect(await focused(page)).toBe('Show more customers');
    });

    test('is replaced by a note when there are no more customers', async () => {
      const page = await open('/desk?q=lindqvist');
      await isVisible(page, 'No more customers: all 13 are shown.');
      expect(await page.getByRole('button', { name: 'Show more customers' }).count()).toBe(0);
    });

    test('loads payments, offers a retry after a failure, and is replaced by a note at the end', async () => {
      const payer = company.people.find(({ email }) => email === 'oluwaseun.lindqvist@customers.example');
      const page = await open(`/desk/customers/${payer?.id}`);
      const payments = page.getByRole('region', { name: 'Payments' });
      const rows = payments.getByRole('listitem');
      const more = payments.getByRole('button', { name: 'Show more payments' });
      await more.waitFor();
      expect(await rows.count()).toBe(10);
      stack().stripe.fail({ status: 401 });
      await more.click();
      await payments.getByText('More payments could not be loaded.').waitFor();
      expect(await rows.count()).toBe(10);
      stack().reset();
      await payments.getByRole('button', { name: 'Try again' }).click();
      await expect.poll(() => rows.count()).toBe(13);
      expect(await payments.getByRole('button', { name: /more payments|Try again/ }).count()).toBe(0);
      // The button is gone; the focus moves to the note.
      await expect.poll(() => focused(page)).toBe('No more payments: all 13 are shown.');
      expect(await bannersOf(page)).toEqual([]);
    });

    test('loads deals, and is replaced by a note at the end', async () => {
      const page = await open(adasPage);
      const deals = page.getByRole('region', { name: 'Deals' });
      const rows = deals.getByRole('listitem');
      await deals.getByRole('button', { name: 'Show more deals' }).click();
      const all = company.deals.filter(({ personId }) => personId === company.people[0]?.id);
      expect(all.length).toBeGreaterThan(5);
      await expect.poll(() => rows.count()).toBe(all.length);
      await isVisible(page, `No more deals: all ${all.length} are shown.`);
    });
  });
});
