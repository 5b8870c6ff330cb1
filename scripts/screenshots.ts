import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { startGateway } from '../gateway/start.ts';

// `npm run screenshots` takes the README's screenshots of the pages, with the sample data. Needs Chromium.
const FOLDER = join(import.meta.dirname, '../docs/images');
const [executablePath = '/usr/bin/chromium'] = process.argv.slice(2);

await mkdir(FOLDER, { recursive: true });
const gateway = await startGateway({ PORT: '0', LOG_LEVEL: 'silent' });
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });

const take = async (
  name: string,
  options: Parameters<typeof browser.newPage>[0],
  path: string,
  prepare: (page: Page) => Promise<unknown>,
): Promise<void> => {
  const page = await browser.newPage({ locale: 'en-GB', timezoneId: 'UTC', ...options });
  await page.goto(`${gateway.url}${path}`);
  await prepare(page);
  await page.screenshot({ path: join(FOLDER, `${name}.png`), animations: 'disabled' });
  await page.close();
  console.log(`docs/images/${name}.png`);
};

const openAda = async (page: Page): Promise<void> => {
  await page.getByRole('searchbox').fill('lindqvist');
  await page.getByText('13 customers').waitFor();
  await page.getByRole('link', { name: /Ada Lindqvist/ }).click();
  await page.getByRole('region', { name: 'Deals' }).getByRole('listitem').first().waitFor();
};

// First, while the cache is empty.
await take('explorer', { viewport: { width: 1400, height: 860 } }, '/graphiql', async (page) => {
  await page.locator('.graphiql-query-editor .view-line').first().waitFor();
  await page.getByRole('button', { name: /^Execute query/ }).click();
  await page.getByRole('figure', { name: 'Query plan' }).waitFor();
});

await take('desk', { viewport: { width: 1200, height: 760 } }, '/desk', openAda);
await take(
  'desk-phone',
  { viewport: { width: 390, height: 760 }, isMobile: true, colorScheme: 'dark' },
  '/desk',
  openAda,
);
await browser.close();
await gateway.close();
