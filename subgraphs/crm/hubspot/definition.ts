import { z } from 'zod';
import { defineProvider, http } from '../../../connectors/define-provider.ts';
import { address, credential, secret, setting, url } from '../../../connectors/settings.ts';
import type { SessionOf } from '../../kit/session.ts';
import { readAccess } from './access.ts';
import { createHubSpotApi } from './api.ts';
import { domainEvents } from './domain-events.ts';
import { API_VERSION, FIRST_API_VERSION } from './endpoints.ts';
import { parseRateLimit } from './parse-rate-limit.ts';
import { createReads } from './reads.ts';
import { hubspotWebhook } from './webhook.ts';

const AccessToken = z.string().regex(/^[\x21-\x7e]+$/, 'must be a token, in one line and without spaces');

const ApiVersion = z
  .string()
  .regex(/^\d{4}-(0[1-9]|1[0-2])(-beta)?$/, `must be a dated version, e.g. ${API_VERSION}`)
  .refine((version) => version >= FIRST_API_VERSION, `must be ${FIRST_API_VERSION} or later`);

const Currency = z.string().regex(/^[A-Z]{3}$/, 'must be a currency of ISO 4217, e.g. EUR');

/** The provider HubSpot, through its CRM API. */
export const hubspot = defineProvider({
  name: 'hubspot',
  title: 'HubSpot',
  envPrefix: 'HUBSPOT',
  settings: {
    ACCESS_TOKEN: secret(AccessToken.optional(), 'A private app’s token.'),
    CLIENT_ID: credential(z.string().optional(), 'The OAuth app’s id.'),
    CLIENT_SECRET: secret(z.string().optional(), 'The OAuth app’s secret.'),
    REFRESH_TOKEN: secret(
      z.string().optional(),
      'The OAuth app’s refresh token. Access tokens are renewed a minute before they expire.',
    ),
    BASE_URL: address(
      url()
        .transform((base) => base.replace(/\/$/, ''))
        .default('https://api.hubapi.com'),
      'Where the API is.',
    ),
    API_VERSION: setting(
      ApiVersion.default(API_VERSION),
      `The dated version of the API that all requests name, ${FIRST_API_VERSION} or later. See [providers](providers.md#hubspot).`,
    ),
    CURRENCY: setting(
      Currency.optional(),
      'The currency of deals and line items that name none, e.g. `EUR`. Without it such an amount is an error and not a guess.',
      { example: 'EUR' },
    ),
  },
  checkCredentials: readAccess,
  // Cached values contain the default currency, so it is part of the identity.
  identity: (settings) => [settings.BASE_URL, settings.CURRENCY ?? '', ...Object.values(readAccess(settings))],
  defaults: { timeoutMs: 10_000, concurrency: 10 },
  // A private app of a free account; responses report higher limits. Source: https://developers.hubspot.com/docs/api/usage-details
  rateLimits: [
    { name: 'account', calls: 100, windowMs: 10_000 },
    { name: 'search', calls: 4, windowMs: 1_000, appliesTo: (operation) => operation.endsWith('/search') },
  ],
  parseRateLimit,
  cachePolicies: {
    contacts: { maxAge: 60, staleWhileRevalidate: 120, staleIfError: 3_600 },
    companies: { maxAge: 60, staleWhileRevalidate: 120, staleIfError: 3_600 },
    deals: { maxAge: 30, staleWhileRevalidate: 60, staleIfError: 3_600 },
    lineItems: { maxAge: 60, staleWhileRevalidate: 120, staleIfError: 3_600 },
    associations: { maxAge: 60, staleWhileRevalidate: 120, staleIfError: 3_600 },
    lists: { maxAge: 10, staleWhileRevalidate: 20, staleIfError: 600 },
  },
  transport: http(),
  api: (client, settings) =>
    createHubSpotApi(client, {
      access: readAccess(settings),
      baseUrl: settings.BASE_URL,
      apiVersion: settings.API_VERSION,
      defaultCurrency: settings.CURRENCY,
    }),
  reads: createReads,
  webhook: hubspotWebhook,
  domainEvents,
  notes: {
    intro: `Set either the token of a private app, or the three variables of an OAuth app. Scopes: \`crm.objects.contacts\`,
\`crm.objects.companies\`, \`crm.objects.deals\` and \`crm.objects.line_items\` read; contacts and deals also write.`,
    rateLimits: 'Without it, the account’s number is what HubSpot’s responses say.',
  },
  sandbox: () => import('./sandbox/index.ts'),
});

/** One client request's view of HubSpot. */
export type HubSpotSession = SessionOf<typeof hubspot>;
