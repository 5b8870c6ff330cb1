import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { CHROMIUM } from './tools.ts';

export type OpenPage = {
  readonly page: Page;
  /** The page's errors, including violations that the browser reports. */
  readonly complaints: string[];
};

/** Starts a real browser. Each page has its own context. */
export const startBrowser = async () => {
  // Chromium's sandbox does not work for root, which containers run as.
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
