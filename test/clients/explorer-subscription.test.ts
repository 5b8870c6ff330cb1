/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startGateway } from '../../gateway/start.ts';
import type { StartedGateway } from '../../gateway/started-gateway.ts';
import { findViolations } from '../helpers/axe.ts';
import { type OpenPage, type StartedBrowser, startBrowser } from '../helpers/browser.ts';
import { startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';
import { connectWebhooks, WEBHOOKS } from '../helpers/webhooks.ts';

/* Subscriptions in the explorer, on a gateway as `npm start` starts it: with sandboxes that report their changes. */

let gateway: StartedGateway;
let browser: StartedBrowser;
let opened: OpenPage;

describe.skipIf(!hasTool('chromium'))('a subscription in the explorer', { tags: ['long'] }, () => {
  beforeAll(async () => {
    gateway = await startGateway({ PORT: '0', LOG_LEVEL: 'silent' });
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await gateway.close();
  });
  afterEach(async () => {
    expect(opened.complaints).toEqual([]);
    await opened.page.context().close();
  });

  const open = async (url: string, tab: string, options: object = { viewport: { width: 1500, height: 950 } }) => {
    opened = await browser.open(`${url}/graphiql`, options);
    const { page } = opened;
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
    await show(page, tab);
    return page;
  };
  /** Opens a tab, and waits until GraphiQL has read its operation, of which the estimate tells. */
  const show = async (page: Page, tab: string) => {
    const estimated = page.waitForResponse(
      (response) =>
        response.request().headers()['x-tributary-explain'] !== undefined &&
        (response.request().postData() ?? '').includes(` ${tab}`),
    );
    await page.getByRole('button', { name: tab, exact: true }).click();
    await expect.poll(() => page.locator('.graphiql-query-editor').innerText()).toContain(tab);
    await estimated;
  };
  const run = (page: Page) => page.getByRole('button', { name: /^Execute query/ }).click();
  const panelOf = (page: Page) => page.getByRole('region', { name: 'Messages', exact: true });
  const write = async (page: Page, text: string) => {
    await page.locator('.graphiql-query-editor .view-lines').first().click();
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.insertText(text);
  };

  test('given the example, when its button changes a customer, then the message is shown with the chain that caused it', async () => {
    const page = await open(gateway.url, 'Changes');
    await run(page);
    const panel = panelOf(page);
    await panel.getByText('Waiting for a change.').waitFor();
    await panel.getByRole('button', { name: 'Change a phone number' }).click();
    const chain = page.getByRole('list', { name: 'What has caused message 1' });
    await chain.waitFor();
    const steps = await chain.getByRole('listitem').allInnerTexts();
    expect(steps.map((step) => step.replace(/\s+/g, ' '))).toEqual([
      expect.stringMatching(/^Webhook of hubspot contact.propertyChange contacts 101 \d\d:\d\d:\d\d\.\d{3}$/),
      expect.stringMatching(/^Event [0-9a-f]+-\d+-\d+$/),
      expect.stringMatching(/^Invalidated .*\bcontact\b.* after [\d.]+ ms$/),
      expect.stringMatching(/^Message 1 \d\d:\d\d:\d\d\.\d{3} [\d.]+ ms after the webhook$/),
    ]);
    await panel.getByText(/"phone": "\+46 70 \d{7}"/).waitFor();
    await panel.getByText(/^The customer 101 has the phone number \+46 70 \d{7}\.$/).waitFor();
    // GraphiQL's own pane has the latest message as well.
    await expect.poll(() => page.locator('.graphiql-response').innerText()).toContain('"customerChanged"');

    await panel.getByRole('button', { name: 'Change a phone number' }).click();
    const second = panel.getByRole('listitem', { name: 'Message 2' });
    await second.waitFor();
    // The newest is first.
    expect(
      await panel
        .getByRole('listitem', { name: /^Message \d/ })
        .first()
        .getAttribute('aria-label'),
    ).not.toBe('Message 1');
    expect(
      await findViolations(page).then((all) => all.filter(([, [html = '']]) => html.includes('tributary'))),
    ).toEqual([]);

    await page.getByRole('button', { name: /^Stop query/ }).click();
    await panel.getByText('The subscription has ended.').waitFor();
    expect(await panel.getByRole('button', { name: 'Change a phone number' }).count()).toBe(0);
    expect(await second.isVisible()).toBe(true);
  });

  test('a payment and its refund are shown to those who subscribe to payments', async () => {
    const page = await open(gateway.url, 'Changes');
    await write(page, 'subscription Changes { refundCreated { paymentId amount { amount currency } } }');
    await run(page);
    const panel = panelOf(page);
    await panel.getByRole('button', { name: 'Pay and refund' }).click();
    await panel.getByText('"amount": "40.00"').waitFor();
    await panel.getByText('Webhook of stripe').first().waitFor();
    await panel.getByText('refund.created').first().waitFor();
  });

  test('a query after it has the room of the messages, and its cost is shown', async () => {
    const page = await open(gateway.url, 'Changes');
    await run(page);
    await panelOf(page).getByText('Waiting for a change.').waitFor();
    await page.getByRole('button', { name: /^Stop query/ }).click();
    await show(page, 'Products');
    await run(page);
    await page.getByText(/^\d+ provider calls?, \d/).waitFor();
    expect(await panelOf(page).count()).toBe(0);
  });

  test('a refused subscription shows the error of the gateway', async () => {
    const page = await open(gateway.url, 'Changes');
    await write(page, 'subscription Changes { stockChanged(skus: [""]) { sku } }');
    await run(page);
    await page.locator('.graphiql-response').getByText('skus.0: must not be empty').waitFor();
    await panelOf(page).getByText('The subscription has ended.').waitFor();
  });

  test('on a phone, the messages have the screen when they are opened', async () => {
    const page = await open(gateway.url, 'Changes', {
      viewport: { width: 390, height: 760 },
      isMobile: true,
      hasTouch: true,
    });
    await run(page);
    const panel = panelOf(page);
    await panel.getByRole('button', { name: 'Change a phone number' }).tap();
    await panel.getByText(/1 message\./).waitFor();
    await panel.getByRole('button', { name: 'Show messages' }).tap();
    await page.getByRole('list', { name: 'What has caused message 1' }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    const buttons = await panel.getByRole('button').all();
    for (const button of buttons) expect((await button.boundingBox())?.height).toBeGreaterThanOrEqual(44);
  });

  test('given a real provider, then there is no button that changes its data', async () => {
    const stack = await startStack({ env: WEBHOOKS });
    onTestFinished(stack.close);
    connectWebhooks(stack, stack.url);
    const page = await open(stack.url, 'Changes');
    await run(page);
    await panelOf(page).getByText('Waiting for a change.').waitFor();
    const settings = await (await fetch(`${stack.url}/graphiql/config.json`)).json();
    expect(settings).toMatchObject({ live: ['crm', 'payments'], sandboxes: [] });
    expect(await panelOf(page).getByRole('button').allInnerTexts()).toEqual(['Hide messages']);
  });
});
