/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { hasTool } from '../helpers/tools.ts';
import { adasPage, isVisible, withDesk } from './desk/desk.ts';

/* Texts of providers that would be code if a page took them for markup or for an address. */

const MARKUP = '"><img src=x onerror="window.ran=1"><script>window.ran=1</script>';
const ADDRESS = 'javascript:window.ran=1//';

/** Replaces the texts of these names, at any depth of a JSON body. */
const replaceIn =
  (texts: Readonly<Record<string, string>>) =>
  (body: string): string =>
    JSON.stringify(JSON.parse(body), (name, value) => (typeof value === 'string' ? (texts[name] ?? value) : value));

const NAMES = {
  firstname: MARKUP,
  lastname: ADDRESS,
  lifecyclestage: MARKUP,
  name: MARKUP,
  domain: ADDRESS,
  phone: ADDRESS,
  dealname: MARKUP,
  dealstage: MARKUP,
};

const expectNoCode = async (page: Page): Promise<void> => {
  expect(await page.evaluate(() => 'ran' in window)).toBe(false);
  expect(await page.locator('img, #root script, #root [onerror]').count()).toBe(0);
  const protocols = await page
    .locator('a')
    .evaluateAll((all) => all.map((link) => (link as HTMLAnchorElement).protocol));
  expect(protocols.length).toBeGreaterThan(0);
  for (const protocol of protocols) expect(['http:', 'mailto:', 'tel:']).toContain(protocol);
};

describe.skipIf(!hasTool('chromium'))('given providers whose texts are code', { tags: ['long'] }, () => {
  // Each page must be without complaints, such as of a policy that was violated.
  const { stack, open, expectComplaints } = withDesk();

  test('the desk shows them as texts: names, deals, lines, products and payments', async () => {
    stack().hubspot.fail({ rewrite: replaceIn(NAMES) });
    stack().stripe.fail({ rewrite: replaceIn({ description: MARKUP }) });
    const escaped = MARKUP.replaceAll('<', '&lt;');
    stack().openmage.fail({ rewrite: (body) => body.replaceAll(/(<name[^>]*>)[^<]*/g, `$1${escaped}`) });
    const page = await open(adasPage);
    await page.getByRole('heading', { level: 2, name: MARKUP }).waitFor();
    for (const region of ['Deals', 'Payments']) {
      await page.getByRole('region', { name: region }).getByText(MARKUP).first().waitFor();
    }
    await page.locator('tbody').getByText(MARKUP).first().waitFor();
    expect(await page.locator('dl').innerText()).toContain(MARKUP);
    expect(await page.locator('dl').getByRole('link', { name: ADDRESS }).getAttribute('href')).toBe(`tel:${ADDRESS}`);
    await isVisible(page, '20 customers, and more');
    await expectNoCode(page);
    await page.getByRole('searchbox').fill('onerror');
    await page
      .getByRole('region', { name: 'Orders and deals of opened customers' })
      .getByText(MARKUP)
      .first()
      .waitFor();
    await expectNoCode(page);
  });

  test.each([MARKUP, ADDRESS])('the desk shows an e-mail address %s', async (email) => {
    stack().hubspot.fail({ rewrite: replaceIn({ email }) });
    const page = await open(adasPage);
    await expect.poll(() => page.locator('dl .email').innerText()).toBe(email.toLowerCase());
    expect(await page.locator('dl .email').getAttribute('href')).toMatch(/^mailto:/);
    await isVisible(page, '20 customers, and more');
    await expectNoCode(page);
  });

  test('the desk refuses markup and code that a part of it would make of a text', async () => {
    const page = await open('/desk');
    await isVisible(page, '20 customers, and more');
    expectComplaints(/TrustedHTML|Content Security Policy/);
    const outcomes = await page.evaluate(async (markup) => {
      const attempt = async (work: () => unknown) => {
        try {
          await work();
          return 'done';
        } catch (error) {
          return (error as Error).name;
        }
      };
      const root = document.body.appendChild(document.createElement('div'));
      const link = root.appendChild(document.createElement('a'));
      return [
        await attempt(() => {
          root.innerHTML = markup;
        }),
        await attempt(() => {
          link.setAttribute('href', 'javascript:window.ran=1');
          link.click();
        }),
        await attempt(() => fetch('https://evil.example/')),
      ];
    }, MARKUP);
    expect(outcomes).toEqual(['TypeError', 'done', 'TypeError']);
    expect(await page.evaluate(() => 'ran' in window)).toBe(false);
  });

  test('the explorer shows them in its answers', async () => {
    stack().hubspot.fail({ rewrite: replaceIn(NAMES) });
    const page = await open('/graphiql');
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
    await page.getByRole('button', { name: /^Execute query/ }).click();
    await expect.poll(() => page.locator('.graphiql-response').innerText()).toContain('onerror');
    expect(await page.evaluate(() => 'ran' in window)).toBe(false);
    expect(await page.locator('#root img').count()).toBe(0);
  });
});
