/// <reference lib="dom" />
import { randomUUID } from 'node:crypto';
import type { OAuth2Service } from 'oauth2-mock-server';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type OpenPage, type StartedBrowser, startBrowser } from '../../helpers/browser.ts';
import { advanceClock, resetClock } from '../../helpers/clock.ts';
import { AUDIENCE, startIssuer, type TestIssuer } from '../../helpers/issuer.ts';
import { type Stack, startStack } from '../../helpers/stack.ts';
import { hasTool } from '../../helpers/tools.ts';
import { WEBHOOKS } from '../../helpers/webhooks.ts';
import { adasPage, isVisible } from './desk.ts';

/* Signing in at the desk, with the pages and the endpoints of a real OpenID Connect issuer. */

const CLIENT_ID = 'the-desk';
const SCOPES = 'customers:read deals:read payments:read inventory:read';

let issuer: TestIssuer;
let stack: Stack;
beforeAll(async () => {
  issuer = await startIssuer();
  stack = await startStack({
    env: {
      JWT_ISSUER: issuer.url,
      JWT_AUDIENCE: AUDIENCE,
      DESK_CLIENT_ID: CLIENT_ID,
      DESK_SCOPES: 'openid,customers:read',
    },
  });
});
afterAll(async () => {
  await stack.close();
  await issuer.close();
});

test('the gateway says where to sign in, and the page may connect to the issuer', async () => {
  const settings = await fetch(`${stack.url}/desk/config.json`);
  expect(settings.headers.get('cache-control')).toBe('no-cache');
  expect(await settings.json()).toEqual({
    hasPeople: false,
    live: [],
    signIn: {
      issuer: issuer.url,
      clientId: CLIENT_ID,
      scopes: ['openid', 'customers:read'],
      audience: AUDIENCE,
      isRequired: true,
    },
  });
  const policy = (await fetch(`${stack.url}/desk/`)).headers.get('content-security-policy')?.split('; ');
  expect(policy).toContain(`connect-src 'self' ${issuer.url}`);
  const explorer = (await fetch(`${stack.url}/graphiql/`)).headers.get('content-security-policy')?.split('; ');
  expect(explorer).toContain("connect-src 'self'");
});

describe.skipIf(!hasTool('chromium'))('at the customer desk', { tags: ['long'] }, () => {
  let browser: StartedBrowser;
  let service: OAuth2Service;
  let opened: OpenPage;
  let expected: RegExp | undefined;
  /** Claims of the access tokens and the ID tokens, and parts of the token response. */
  let access: Record<string, unknown>;
  let identity: Record<string, unknown>;
  let response: { status: number; body: Record<string, unknown> };

  beforeAll(async () => {
    browser = await startBrowser();
    // The algorithm that OpenID Connect has by default.
    await issuer.rotate({ algorithm: 'RS256' });
    service = issuer.service();
    service.on('beforeTokenSigning', ({ payload }) => {
      Object.assign(payload, payload.aud === CLIENT_ID ? identity : access);
      // Otherwise, all tokens of one second would be the same.
      payload.jti = randomUUID();
      // The issuer's clock may be ahead of the browser's.
      delete payload.nbf;
    });
    service.on('beforeResponse', (sent) => {
      sent.statusCode = response.status;
      Object.assign(sent.body, response.body);
    });
  });
  afterAll(() => browser.close());
  beforeEach(() => {
    stack.reset();
    issuer.requests.length = 0;
    expected = undefined;
    access = { sub: 'ada', aud: AUDIENCE, scope: SCOPES };
    identity = { name: 'Ada Example' };
    response = { status: 200, body: {} };
  });
  afterEach(async () => {
    expect(opened.complaints.filter((complaint) => !expected?.test(complaint))).toEqual([]);
    await opened.page.context().close();
  });

  const open = async (path: string, { url } = stack as Pick<Stack, 'url'>) => {
    opened = await browser.open('about:blank');
    const { page } = opened;
    const addresses: string[] = [];
    page.on('framenavigated', (frame) => addresses.push(frame.url()));
    const tokens: string[] = [];
    page.on('request', (request) => {
      const { pathname } = new URL(request.url());
      if (pathname === '/graphql') tokens.push(request.headers()['authorization'] ?? '');
    });
    await page.goto(`${url}${path}`);
    return { page, addresses, tokens };
  };
  const signIn = (page: Page) => page.getByRole('button', { name: 'Sign in' }).click();
  const alertOf = async (page: Page): Promise<string> => page.getByRole('alert').innerText();
  const requestsTo = (path: string): URL[] =>
    issuer.requests.map((request) => new URL(request, issuer.url)).filter(({ pathname }) => pathname === path);
  /** Changes the issuer's next redirect to the desk. */
  const onRedirect = (change: (parameters: URLSearchParams) => void) =>
    service.once('beforeAuthorizeRedirect', ({ url }) => change(url.searchParams));

  test('nothing is requested until somebody has signed in; then their token is sent', async () => {
    const { page, addresses, tokens } = await open(`${adasPage}?q=ada`);
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expect(tokens).toEqual([]);
    await signIn(page);
    await page.getByRole('heading', { name: 'Ada Lindqvist' }).waitFor();
    expect(page.url()).toBe(`${stack.url}${adasPage}?q=ada`);
    await isVisible(page, 'Ada Example');

    const [request] = requestsTo('/authorize');
    expect(Object.fromEntries(request?.searchParams ?? [])).toEqual({
      client_id: CLIENT_ID,
      redirect_uri: `${stack.url}/desk/`,
      response_type: 'code',
      scope: 'openid customers:read',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      audience: AUDIENCE,
    });

    const [, token = ''] = tokens[0]?.split(' ') ?? [];
    expect(token.split('.')).toHaveLength(3);
    expect(new Set(tokens)).toEqual(new Set([`Bearer ${token}`]));
    const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
    expect(stored).not.toContain('eyJ');
    expect(stored).not.toContain('verifier');
    expect(addresses.filter((address) => address.includes('eyJ'))).toEqual([]);
    // Neither does the history have the code.
    expect(await page.evaluate(() => location.search)).toBe('?q=ada');
  });

  test.each<[string, () => unknown]>([
    ['a wrong state', () => onRedirect((parameters) => parameters.set('state', 'another'))],
    ['no state', () => onRedirect((parameters) => parameters.delete('state'))],
    ['the code of another issuer', () => onRedirect((parameters) => parameters.set('iss', 'https://other.example'))],
  ])('a response with %s is refused, and no token is requested', async (_, change) => {
    const { page, tokens } = await open('/desk');
    change();
    await signIn(page);
    expect(await alertOf(page)).toMatch(/^The sign-in does not match the one that was started here/);
    expect(page.url()).toBe(`${stack.url}/desk/`);
    expect(requestsTo('/token')).toEqual([]);
    expect(tokens).toEqual([]);
  });

  test('a response that nobody has asked for is refused', async () => {
    const { page } = await open('/desk/?code=made-up&state=made-up');
    expect(await alertOf(page)).toMatch(/^The sign-in does not match/);
    expect(requestsTo('/token')).toEqual([]);
  });

  test('an ID token for another request is refused', async () => {
    identity = { nonce: 'another' };
    const { page, tokens } = await open('/desk');
    await signIn(page);
    expect(await alertOf(page)).toMatch(/^The sign-in does not match/);
    expect(tokens).toEqual([]);
  });

  test('an error of the issuer is shown, and the next attempt succeeds', async () => {
    const { page } = await open('/desk');
    onRedirect((parameters) => {
      parameters.delete('code');
      parameters.set('error', 'access_denied');
      parameters.set('error_description', 'Ask Grace.');
    });
    await signIn(page);
    expect(await alertOf(page)).toBe(
      'The identity provider refused the sign-in. Access was denied. It says: Ask Grace.',
    );
    await signIn(page);
    await isVisible(page, '20 customers, and more');
  });

  test('an error in place of a token is shown', async () => {
    expected = /status of 400/;
    response = { status: 400, body: { error: 'invalid_grant' } };
    const { page } = await open('/desk');
    await signIn(page);
    expect(await alertOf(page)).toMatch(/refused the sign-in\. The sign-in took too long or was used before\./);
  });

  test('an issuer that is down is shown', async () => {
    expected = /net::ERR_EMPTY_RESPONSE/;
    issuer.before = (sent) => Boolean(sent.destroy());
    onTestFinished(() => {
      issuer.before = () => false;
    });
    const { page } = await open('/desk');
    await signIn(page);
    expect(await alertOf(page)).toMatch(/^The identity provider cannot be reached/);
  });

  test('the scopes of the token decide what is seen', async () => {
    access['scope'] = 'customers:read';
    const { page } = await open(adasPage);
    await signIn(page);
    await page.getByRole('heading', { name: 'Ada Lindqvist' }).waitFor();
    await isVisible(page, 'You have no access to payments.');
    await isVisible(page, 'You have no access to deals.');
    expect(await page.getByRole('button', { name: 'Try again' }).count()).toBe(0);
    expect(stack.stripe.calls).toEqual([]);
  });

  test('a refund without the scope for it is refused, and the dialog says that nothing was refunded', async () => {
    const { page } = await open(adasPage);
    await signIn(page);
    await page
      .getByRole('button', { name: /^Refund/ })
      .first()
      .click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: /^Refund/ }).click();
    await dialog.getByText('Not confirmed. You have no access.', { exact: true }).waitFor();
    // It would be locked if the refund might have been made.
    expect(await dialog.getByLabel('Why').isEnabled()).toBe(true);
    expect(stack.stripe.calls.filter(({ operation }) => /POST/.test(operation))).toEqual([]);
  });

  test('after a reload, a new token is fetched without a click', async () => {
    const { page, tokens } = await open('/desk');
    await signIn(page);
    await isVisible(page, '20 customers, and more');
    await page.reload();
    await isVisible(page, '20 customers, and more');
    expect(requestsTo('/authorize')).toHaveLength(2);
    expect(new Set(tokens).size).toBe(2);
  });

  test('a token that has expired is replaced before the next operation', async () => {
    response = { status: 200, body: { expires_in: 1 } };
    const { page } = await open('/desk');
    await signIn(page);
    await isVisible(page, '20 customers, and more');
    response = { status: 200, body: {} };
    await page.getByRole('link', { name: /Ada Lindqvist/ }).click();
    await page.getByRole('heading', { name: 'Ada Lindqvist' }).waitFor();
    expect(requestsTo('/authorize')).toHaveLength(2);
    expect(page.url()).toBe(`${stack.url}${adasPage}`);
  });

  test('the page is live as who is signed in, and an expired token does not leave it without a click', async () => {
    const gateway = await stack.startAnother(WEBHOOKS);
    onTestFinished(gateway.close);
    const { page, tokens } = await open(adasPage, gateway);
    const sign = page.getByRole('status', { name: 'Live updates' });
    await signIn(page);
    await expect.poll(() => sign.innerText()).toBe('Live');
    expect(tokens.at(-1)).toMatch(/^Bearer eyJ/);
    expect(new Set(tokens).size).toBe(1);

    response = { status: 200, body: { expires_in: 1 } };
    await page.reload();
    await expect.poll(() => sign.innerText()).toBe('Not live. Your sign-in has expired.');
    expect(requestsTo('/authorize')).toHaveLength(2);
    response = { status: 200, body: {} };
    await page.getByRole('button', { name: 'Sign in again' }).click();
    await expect.poll(() => sign.innerText()).toBe('Live');
    expect(requestsTo('/authorize')).toHaveLength(3);
    expect(page.url()).toBe(`${gateway.url}${adasPage}`);
  });

  test('a stream without the scope for it leaves the page as it is', async () => {
    const gateway = await stack.startAnother(WEBHOOKS);
    onTestFinished(gateway.close);
    access['scope'] = 'customers:read';
    const { page } = await open(adasPage, gateway);
    await signIn(page);
    await isVisible(page, 'You have no access to payments.');
    await expect.poll(() => page.getByRole('status', { name: 'Live updates' }).innerText()).toBe('Live');
  });

  test('a token that the gateway no longer accepts is replaced', async () => {
    expected = /status of 401/;
    const { page } = await open('/desk');
    await signIn(page);
    await isVisible(page, '20 customers, and more');
    onTestFinished(resetClock);
    advanceClock(2 * 3_600_000);
    await page.getByRole('link', { name: /Ada Lindqvist/ }).click();
    await page.getByRole('heading', { name: 'Ada Lindqvist' }).waitFor();
    expect(requestsTo('/authorize')).toHaveLength(2);
  });

  test('a new token that the gateway does not accept is not replaced without end', async () => {
    expected = /status of 401/;
    access['aud'] = 'https://another.example';
    const { page } = await open('/desk');
    await signIn(page);
    expect(await alertOf(page)).toBe(
      'Tributary does not accept the token of the identity provider. Contact the operator.',
    );
    expect(requestsTo('/authorize')).toHaveLength(1);
  });

  test('who signs out is signed out at the issuer, too', async () => {
    const { page } = await open('/desk');
    await signIn(page);
    await isVisible(page, '20 customers, and more');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    const [request] = requestsTo('/endsession');
    expect(request?.searchParams.get('post_logout_redirect_uri')).toBe(`${stack.url}/desk/`);
    expect(request?.searchParams.get('id_token_hint')).toMatch(/^eyJ/);
    expect(page.url()).toBe(`${stack.url}/desk/`);
  });

  test('with AUTH=optional, the desk can be used without signing in', async () => {
    const gateway = await stack.startAnother({ AUTH: 'optional' });
    onTestFinished(() => gateway.close());
    const { page, tokens } = await open('/desk', gateway);
    await isVisible(page, 'You have no access to the customers.');
    expect(tokens).toEqual(['']);
    await signIn(page);
    await isVisible(page, '20 customers, and more');
  });
});
