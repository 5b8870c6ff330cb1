import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { CHROMIUM } from './tools.ts';

export type OpenPage = {
  readonly page: Page;
  /** What the page has complained about: errors, and what the browser forbade it. */
  readonly complaints: string[];
};

/** A real browser, for pages that each know nothing of the others. */
export const startBrowser = async () => {
  // Containers run as root, whom Chromium gives no sandbox.
  const browser: Browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args: ['--no-sandbox'] });
  return {
    open: async (url: string, options: BrowserContextOptions = {}): Promise<OpenPage> => {
      const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options });
      const page = await context.newPage();
      page.setDefaultTimeout(60_000);
      const complaints: string[] = [];
      page.on('pageerror', ({ message }) => complaints.push(message));
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      await page.goto(url);
      return { page, complaints };
    },
    close: () => browser.close(),
  };
};

export type StartedBrowser = Awaited<ReturnType<typeof startBrowser>>;
