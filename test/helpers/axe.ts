/// <reference lib="dom" />
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

type Axe = { readonly run: () => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };

/** Returns the violations of accessibility rules on a page, each with the elements concerned. */
export const findViolations = async (page: Page): Promise<(readonly [rule: string, elements: string[]])[]> => {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => (window as unknown as { axe: Axe }).axe.run());
  return violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)] as const);
};
