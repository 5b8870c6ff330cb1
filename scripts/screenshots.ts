import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { startGateway } from '../gateway/start.ts';

/*
 * `npm run screenshots` takes screenshots of all pages with the sample data: the README's into docs/images; every
 * state of each page, wide and on a phone, light and dark, into a new folder, which it prints. Needs Chromium.
 */
const README_FOLDER = join(import.meta.dirname, '../docs/images');
const [executablePath = '/usr/bin/chromium', folder = await mkdtemp(join(tmpdir(), 'tributary-screenshots-'))] =
  process.argv.slice(2);

/** Starts the sandboxes in a separate process, with a control API for faults. */
const startSandboxes = async () => {
  const running = spawn(process.execPath, ['sandbox/main.ts'], {
    cwd: join(import.meta.dirname, '..'),
    env: { PORT: '0', LOG_LEVEL: 'silent' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  // The last variable that the last sandbox prints.
  while (!/OPENMAGE_API_KEY=.+\n/.test(output)) output += String(await once(running.stdout, 'data'));
  const urlOf = (name: string) => new RegExp(`sandbox of ${name} answers at (\\S+);`).exec(output)?.[1] ?? '';
  return {
    stripe: urlOf('stripe'),
    openmage: urlOf('openmage'),
    hubspot: urlOf('hubspot'),
    env: Object.fromEntries([...output.matchAll(/^ {2}(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value])),
    close: async () => {
      running.kill();
      await once(running, 'exit');
    },
  };
};

const sandboxes = await startSandboxes();
const { stripe, hubspot, openmage } = sandboxes;

const fail = async (url: string, fault: object): Promise<void> => {
  const headers = { 'content-type': 'application/json' };
  await fetch(`${url}/_sandbox/faults`, { method: 'POST', headers, body: JSON.stringify(fault) });
};

const reset = async (): Promise<void> => {
  await Promise.all([stripe, hubspot, openmage].map((url) => fetch(`${url}/_sandbox`, { method: 'DELETE' })));
};

/** Delays all responses of providers until the screenshot has been taken. */
const hold = async (): Promise<void> => {
  await Promise.all([stripe, hubspot, openmage].map((url) => fail(url, { delayMs: 3_000 })));
};

const start = (env: Record<string, string> = {}) =>
  startGateway({ PORT: '0', LOG_LEVEL: 'silent', ...sandboxes.env, ...env });

const SCREENS = {
  wide: { viewport: { width: 1440, height: 860 } },
  readme: { viewport: { width: 1280, height: 720 } },
  phone: { viewport: { width: 390, height: 760 }, isMobile: true, hasTouch: true },
} as const;

type Look = { readonly screen: keyof typeof SCREENS; readonly colorScheme: 'light' | 'dark' };

const LOOKS: readonly Look[] = [
  { screen: 'wide', colorScheme: 'light' },
  { screen: 'wide', colorScheme: 'dark' },
  { screen: 'phone', colorScheme: 'light' },
  { screen: 'phone', colorScheme: 'dark' },
];

/** One page in one state. */
type Shot = {
  readonly name: string;
  readonly path: string;
  readonly url?: string;
  readonly before?: () => Promise<void>;
  readonly prepare: (page: Page) => Promise<unknown>;
};

const ADA = '/desk/customers/101';
const deals = (page: Page) => page.getByRole('region', { name: 'Deals' }).getByRole('listitem').first().waitFor();

const gateway = await start();
// Caches nothing that may be used without a provider call, so that an outage is visible immediately.
const forgetful = await start({ OPENMAGE_CACHE: 'stock=0/0/3600', STRIPE_CACHE: 'accounts=0/0/0,paymentLists=0/0/0' });
const uncached = await start({ CACHE_MAX_MIB: '0' });
// Reads stock each time, so that its outage is visible.
const observed = await start({ OPENMAGE_CACHE: 'stock=0/0/0,catalogue=0/0/0' });

// As `npm start` starts it: its sandboxes report their changes.
const live = await startGateway({ PORT: '0', LOG_LEVEL: 'silent' });

const DESK: readonly Shot[] = [
  {
    name: 'desk',
    path: `${ADA}?q=lindqvist`,
    url: live.url,
    prepare: async (page) => {
      await page.getByText(/^13 customers; 10 deals/).waitFor({ state: 'attached' });
      await deals(page);
      await page.getByText('Live', { exact: true }).waitFor();
    },
  },
  { name: 'desk-list', path: '/desk', prepare: (page) => page.getByText('20 customers, and more').waitFor() },
  { name: 'desk-empty', path: '/desk?q=nobody', prepare: (page) => page.getByText('Nothing found.').waitFor() },
  {
    name: 'desk-search',
    path: '/desk?q=joinery',
    prepare: (page) => page.getByText(/customers? loaded here$/).waitFor(),
  },
  { name: 'desk-not-found', path: '/desk/no/such/page', prepare: (page) => page.getByText('Page not found').waitFor() },
  {
    name: 'desk-loading',
    path: ADA,
    url: uncached.url,
    before: hold,
    prepare: (page) => page.locator('.skeleton').last().waitFor(),
  },
  {
    name: 'desk-failed',
    path: ADA,
    url: forgetful.url,
    prepare: async (page) => {
      await deals(page);
      await fail(openmage, { status: 500 });
      await fail(stripe, { status: 500 });
      await page.reload();
      await page.getByText(/Inventory is unavailable/).waitFor();
      await page.getByText(/Payments could not be loaded/).waitFor();
    },
  },
  {
    name: 'desk-refund',
    path: ADA,
    prepare: async (page) => {
      await deals(page);
      await fail(stripe, { on: '/v1/refunds', status: 402 });
      await page
        .getByRole('button', { name: /^Refund / })
        .first()
        .click();
      await page.getByRole('dialog').getByRole('button', { name: 'Refund' }).click();
      await page.getByText(/The refund was not confirmed/).waitFor();
    },
  },
];

const openExplorer = (page: Page) => page.locator('.graphiql-query-editor .view-line').first().waitFor();
const run = async (page: Page) => {
  await openExplorer(page);
  await page.getByRole('button', { name: /^Execute query/ }).click();
};
const runAndShow = async (page: Page) => {
  await run(page);
  await page.getByText(/^\d+ provider calls?, /).waitFor();
};

/** Opens the tab of an example, and waits until GraphiQL has read its operation. */
const openExample = async (page: Page, name: string) => {
  await openExplorer(page);
  const estimated = page.waitForResponse(
    (response) =>
      response.request().headers()['x-tributary-explain'] !== undefined &&
      (response.request().postData() ?? '').includes(` ${name}`),
  );
  await page.getByRole('button', { name, exact: true }).click();
  await estimated;
};

const EXPLORER: readonly Shot[] = [
  { name: 'explorer-empty', path: '/graphiql', prepare: openExplorer },
  {
    name: 'explorer-loading',
    path: '/graphiql',
    url: uncached.url,
    before: hold,
    prepare: async (page) => {
      await run(page);
      await page.locator('.graphiql-spinner').waitFor();
    },
  },
  { name: 'explorer', path: '/graphiql', prepare: runAndShow },
  {
    name: 'explorer-cost',
    path: '/graphiql',
    prepare: async (page) => {
      await runAndShow(page);
      const show = page.getByRole('button', { name: 'Show details' });
      if (await show.isVisible()) await show.click();
      await page.getByRole('figure', { name: 'Query plan' }).waitFor();
    },
  },
  {
    name: 'explorer-failed',
    path: '/graphiql',
    url: forgetful.url,
    before: () => fail(stripe, { status: 500 }),
    prepare: runAndShow,
  },
  {
    name: 'explorer-messages',
    path: '/graphiql',
    url: live.url,
    prepare: async (page) => {
      await openExample(page, 'Changes');
      await page.getByRole('button', { name: /^Execute query/ }).click();
      await page.getByRole('button', { name: 'Change a phone number' }).click();
      const show = page.getByRole('button', { name: 'Show messages' });
      if (await show.isVisible()) await show.click();
      await page.getByRole('list', { name: 'What has caused message 1' }).waitFor();
      await page.getByText(/has the phone number/).waitFor();
    },
  },
  {
    name: 'explorer-history',
    path: '/graphiql',
    prepare: async (page) => {
      await runAndShow(page);
      await page.getByRole('button', { name: 'Show History' }).click();
      await page.getByRole('region', { name: 'History' }).waitFor();
    },
  },
];

const EXAMPLES: readonly string[] = [
  'query CustomerOverview { customers(first: 20) { edges { node { firstName company { name } payments(first: 3) { edges { node { status } } } } } } }',
  'query DealPage { customers(first: 5) { edges { node { deals(first: 3) { edges { node { name lineItems { quantity product { sku } } } } } } } } }',
  'query StockLevel { product(sku: "OABR-S") { name stock { quantity } } }',
];

/** Runs operations while a provider is down. */
const runInOutage = async (): Promise<void> => {
  await fail(openmage, { status: 500 });
  for (let index = 0; index < 12; index += 1) {
    const body = JSON.stringify({ query: EXAMPLES[index % EXAMPLES.length] });
    const headers = { 'content-type': 'application/json' };
    await fetch(`${observed.url}/graphql`, { method: 'POST', headers, body });
  }
};

const STATUS: readonly Shot[] = [
  {
    name: 'status',
    path: '/status',
    url: observed.url,
    before: runInOutage,
    prepare: async (page) => {
      // Until its first requests, which succeeded, are 30 seconds old.
      await page.getByText('Down', { exact: true }).waitFor({ timeout: 60_000 });
    },
  },
];

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });

const take = async (shot: Shot, { screen, colorScheme }: Look, file: string): Promise<void> => {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', colorScheme, ...SCREENS[screen] });
  const page = await context.newPage();
  await shot.before?.();
  await page.goto(`${shot.url ?? gateway.url}${shot.path}`);
  await shot.prepare(page);
  await page.screenshot({ path: file, animations: 'disabled' });
  await reset();
  await context.close();
  console.log(file);
};

await mkdir(README_FOLDER, { recursive: true });
const shots = [...DESK, ...EXPLORER, ...STATUS];
const named = (name: string): Shot => {
  const shot = shots.find((one) => one.name === name);
  if (!shot) throw new Error(`Unknown screenshot: ${name}.`);
  return shot;
};
await take(named('status'), { screen: 'readme', colorScheme: 'light' }, join(README_FOLDER, 'status.png'));
// First of its gateway, while the cache is empty.
await take(named('explorer'), { screen: 'readme', colorScheme: 'light' }, join(README_FOLDER, 'explorer.png'));
await take(
  named('explorer-messages'),
  { screen: 'readme', colorScheme: 'light' },
  join(README_FOLDER, 'explorer-messages.png'),
);
await take(named('desk'), { screen: 'readme', colorScheme: 'light' }, join(README_FOLDER, 'desk.png'));
await take(named('desk'), { screen: 'phone', colorScheme: 'dark' }, join(README_FOLDER, 'desk-phone.png'));
for (const shot of shots) {
  for (const look of LOOKS) await take(shot, look, join(folder, `${shot.name}-${look.screen}-${look.colorScheme}.png`));
}
await browser.close();
await Promise.all([gateway.close(), forgetful.close(), uncached.close(), observed.close(), live.close()]);
await sandboxes.close();
