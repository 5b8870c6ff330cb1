/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { hasTool } from '../../helpers/tools.ts';
import { adasPage, isVisible, plain, toastsOf, withDesk } from './desk.ts';

describe.skipIf(!hasTool('chromium'))('the customer desk', { tags: ['long'] }, () => {
  const { stack, open } = withDesk();

  describe('a refund', () => {
    const refund = async (page: Page, amount: string) => {
      await page.getByRole('button', { name: 'Refund SEK 298.30' }).click();
      await page.getByLabel('Amount in SEK').fill(amount);
    };
    const confirm = (page: Page, name = 'Refund') => page.getByRole('dialog').getByRole('button', { name }).click();
    const refundsAtStripe = () => stack().stripe.calls.filter(({ operation }) => operation === 'POST /v1/refunds');
    const payment = async (page: Page) =>
      plain(await page.getByRole('listitem', { name: 'Payment of SEK 298.30' }).innerText());

    test('is shown immediately as pending, and as succeeded once it is', async () => {
      const page = await open(adasPage);
      await refund(page, '1,50');
      const answer = Promise.withResolvers<void>();
      stack().stripe.fail({ on: 'POST /v1/refunds', until: answer.promise, times: 1 });
      await confirm(page);
      await expect.poll(() => payment(page)).toMatch(/, pending\s+−SEK 1.50/);
      expect(await toastsOf(page)).toEqual([]);
      answer.resolve();
      await expect.poll(() => toastsOf(page)).toEqual(['SEK 1.50 was refunded.']);
      await expect.poll(() => payment(page)).toMatch(/, succeeded\s+−SEK 1.50/);
      expect(await payment(page)).toContain('Partly refunded');
      await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
      expect(refundsAtStripe()).toMatchObject([{ idempotencyKey: expect.stringMatching(/^.{32,}$/) }]);
      const focused = await page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
      expect(plain(focused ?? '')).toMatch(/^Refund SEK 298.30/);
    });

    test('given an unknown outcome, then it is hidden again, and a retry refunds only once', async () => {
      const page = await open(adasPage);
      await refund(page, '2');
      // Carried out, but each response is lost.
      stack().stripe.fail({ on: '/v1/refunds', drop: 'after' });
      await confirm(page);
      await isVisible(page, /Not confirmed. It may have been carried out./);
      // The dialog covers the page. The toast is within it, because a screen reader reads nothing outside.
      await page
        .getByRole('dialog')
        .getByRole('log')
        .getByText(/^The refund was not confirmed./)
        .waitFor();
      expect(await payment(page)).not.toContain('SEK 2.00');
      expect(await page.getByLabel('Amount in SEK').getAttribute('readonly')).not.toBeNull();
      stack().reset();
      await confirm(page, 'Try again');
      await expect.poll(() => payment(page)).toMatch(/, succeeded\s+−SEK 2.00/);
      await page.reload();
      await expect.poll(() => payment(page)).toContain('SEK 2.00');
      expect((await payment(page)).match(/SEK 2.00/g)).toHaveLength(1);
    });

    test('given the payment system rejects it, then it can be changed and sent again', async () => {
      const page = await open(adasPage);
      await refund(page, '3');
      stack().stripe.fail({ on: '/v1/refunds', status: 400, times: 1 });
      await confirm(page);
      await isVisible(page, 'The refund was not confirmed.');
      await page.getByLabel('Amount in SEK').fill('4');
      await confirm(page, 'Try again');
      // Not the pending refund, which is shown before the provider has heard of it.
      await expect.poll(() => payment(page)).toMatch(/, succeeded\s+−SEK 4.00/);
      const keys = refundsAtStripe().map(({ idempotencyKey }) => idempotencyKey);
      expect(new Set(keys).size).toBe(2);
    });

    test('of the remaining amount marks the payment as refunded', async () => {
      const page = await open(adasPage);
      const order = page.getByRole('listitem', { name: /^Payment of SEK\s424.65/ });
      await order.getByRole('button', { name: /^Refund/ }).click();
      await confirm(page);
      await expect.poll(async () => plain(await order.innerText())).toMatch(/\bRefunded\b/);
      expect(await order.getByRole('button').count()).toBe(0);
    });

    test('given the dialog is closed while it runs, then a toast reports the result', async () => {
      const page = await open(adasPage);
      await refund(page, '5');
      let release = () => {};
      const until = new Promise<void>((resolve) => {
        release = resolve;
      });
      stack().stripe.fail({ on: 'POST /v1/refunds', until, status: 400 });
      await confirm(page);
      await page.getByRole('button', { name: 'Refunding…' }).waitFor();
      await page.getByRole('button', { name: 'Cancel' }).click();
      release();
      await expect.poll(() => toastsOf(page)).toEqual([expect.stringMatching(/^The refund was not confirmed./)]);
      // A failure stays until it is dismissed.
      await page.getByRole('button', { name: 'Dismiss' }).click();
      expect(await toastsOf(page)).toEqual([]);
    });

    test.each([
      ['0', 'Enter an amount above zero'],
      ['abc', 'Enter an amount above zero'],
      ['99999', 'At most'],
    ])('with the amount %s is not sent', async (amount, why) => {
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

    test('is updated wherever the product is shown', async () => {
      const page = await open('about:blank');
      await page.clock.install();
      await page.goto(`${stack().url}${adasPage}`);
      await page.getByRole('button', { name: 'Set the stock of NYHO-XL' }).waitFor();
      const answer = Promise.withResolvers<void>();
      stack().openmage.fail({ on: 'Update', until: answer.promise, times: 1 });
      await set(page, '17');
      // Immediately, before the shop has responded.
      await expect.poll(() => level(page)).toMatch(/\b17\b/);
      const button = page.getByRole('button', { name: 'Set the stock of NYHO-XL' });
      expect(await button.isDisabled()).toBe(true);
      answer.resolve();
      await expect.poll(() => button.isDisabled()).toBe(false);
      await expect.poll(() => toastsOf(page)).toEqual(['The stock of NYHO-XL is now 17.']);
      // A success message disappears, but not while the pointer is over it.
      await page.locator('.toast').hover();
      await page.clock.fastForward(60_000);
      expect(await toastsOf(page)).toHaveLength(1);
      await page.getByRole('heading', { level: 2 }).hover();
      await page.clock.fastForward(10_000);
      await expect.poll(() => toastsOf(page)).toEqual([]);
      await page.reload();
      await expect.poll(() => level(page)).toMatch(/\b17\b/);
    });

    test('given it cannot be set, then the previous quantity is shown again', async () => {
      const page = await open(adasPage);
      await page.getByRole('button', { name: 'Set the stock of NYHO-XL' }).waitFor();
      const before = await level(page);
      stack().openmage.fail({ status: 500 });
      await set(page, '99');
      await isVisible(page, 'Not set.');
      expect(await toastsOf(page)).toEqual([expect.stringMatching(/^The stock of NYHO-XL was not set./)]);
      expect(await page.getByLabel('In stock of NYHO-XL').inputValue()).toBe('99');
      await page.getByRole('button', { name: 'Cancel' }).click();
      expect(await level(page)).toBe(before);
    });
  });
});
