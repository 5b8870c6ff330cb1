/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { createCompany } from '../../../sandbox/company.ts';
import { type OpenPage, type StartedBrowser, startBrowser } from '../../helpers/browser.ts';
import { type Stack, startStack } from '../../helpers/stack.ts';

export const company = createCompany();

const [ada] = company.people;
export const adasPage = `/desk/customers/${ada?.id}`;

/** `Intl` puts a space that does not break between currency and amount. */
export const plain = (text: string): string => text.replaceAll('\u00a0', ' ');

export const textOf = async (page: Page, region: string): Promise<string> =>
  plain(await page.getByRole('region', { name: region, exact: true }).innerText());

/** Waits until a text is visible. */
export const isVisible = (page: Page, text: string | RegExp): Promise<void> => page.getByText(text).first().waitFor();

/** Returns the texts of the banners, one for each provider that is down. */
export const bannersOf = async (page: Page): Promise<string[]> =>
  page.getByRole('status', { name: 'Providers that are down' }).locator('p > span').allInnerTexts();

/** Returns the texts of the toasts, oldest first. */
export const toastsOf = async (page: Page): Promise<string[]> =>
  (await page.getByRole('log', { name: 'Results' }).locator('.toast > span').allInnerTexts()).map(plain);

/** Opens the customer desk in a real browser, on a gateway with sandboxes, for the surrounding tests. */
export const withDesk = () => {
  let stack: Stack;
  let browser: StartedBrowser;
  let opened: OpenPage;
  let expected: RegExp | undefined;

  beforeAll(async () => {
    stack = await startStack();
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await stack.close();
  });
  beforeEach(() => {
    expected = undefined;
    stack.reset();
  });
  afterEach(async () => {
    expect(opened.complaints.filter((complaint) => !expected?.test(complaint))).toEqual([]);
    await opened.page.context().close();
  });

  return {
    stack: () => stack,
    /** Opens a URL, or a path on the gateway. */
    open: async (path: string, options = {}): Promise<Page> => {
      opened = await browser.open(path.startsWith('/') ? `${stack.url}${path}` : path, options);
      return opened.page;
    },
    /** Accepts browser errors that a test causes on purpose. */
    expectComplaints: (pattern: RegExp) => {
      expected = pattern;
    },
  };
};
