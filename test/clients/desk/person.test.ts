/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { hasTool } from '../../helpers/tools.ts';
import { isVisible, withDesk } from './desk.ts';

describe.skipIf(!hasTool('chromium'))('at the customer desk', { tags: ['long'] }, () => {
  const { open } = withDesk();

  /** The subject of the token with which the list of customers is read next; undefined without a token. */
  const nextSubject = async (page: Page, act: () => Promise<unknown>): Promise<string | undefined> => {
    const sent = page.waitForRequest((request) => new URL(request.url()).pathname === '/graphql');
    await act();
    const authorization = await (await sent).headerValue('authorization');
    const [, claims = ''] = authorization?.split('.') ?? [];
    return claims ? JSON.parse(Buffer.from(claims, 'base64url').toString()).sub : undefined;
  };

  test('a sample person is chosen, and stays while the tab is open', async () => {
    const page = await open('/desk');
    await isVisible(page, '20 customers, and more');
    const people = page.getByLabel('Act as');
    expect(await nextSubject(page, () => people.selectOption('support'))).toBe('support');
    await isVisible(page, '20 customers, and more');
    expect(await nextSubject(page, () => page.reload())).toBe('support');
    await expect.poll(() => people.inputValue()).toBe('support');
    expect(await nextSubject(page, () => people.selectOption(''))).toBeUndefined();
    await isVisible(page, '20 customers, and more');
  });
});
