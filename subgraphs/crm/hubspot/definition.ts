import { z } from 'zod';
import { defineProvider, http } from '../../../connectors/define-provider.ts';
import { MAX_PAGES } from '../../../connectors/reads/paginate.ts';
import { byKey, NEVER_CHANGED, oneByOne } from '../../../connectors/reads/read.ts';
import { address, credential, secret, setting, url } from '../../../connectors/settings.ts';
import type { SessionOf } from '../../kit/session.ts';
import { readAccess } from './access.ts';
import { createHubSpotApi } from './api.ts';
import { API_VERSION, FIRST_API_VERSION } from './endpoints.ts';
import { parseRateLimit } from './parse-rate-limit.ts';
import type { ApiContact } from './wire-types.ts';

/** Invalidation scope of a contact read by email address: the address, or the contact's id. */
type ContactByEmailScope = { readonly email: string } | { readonly id: string };

const AccessToken = z.string().regex(/^[\x21-\x7e]+$/, 'must be a token, in one line and without spaces');

const ApiVersion = z
  .string()
  .regex(/^\d{4}-(0[1-9]|1[0-2])(-beta)?$/, `must be a dated version, e.g. ${API_VERSION}`)
  .refine((version) => version >= FIRST_API_VERSION, `must be ${FIRST_API_VERSION} or later`);

const Currency = z.string().regex(/^[A-Z]{3}$/, 'must be a currency of ISO 4217, e.g. EUR');

const associations = {
  batchSize: 1_000,
  requestsPerBatch: MAX_PAGES,
  policy: 'associations',
  scope: NEVER_CHANGED,
} as const;

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
  // HubSpot takes 100 records in a batch read, and 1,000 in one of associations.
  reads: (api) => ({
    contact: byKey(api.contactsByIds, { batchSize: 100, policy: 'contacts' }),
    contactByEmail: byKey(api.contactsByEmails, {
      batchSize: 100,
      policy: 'contacts',
      scope: (email: string): ContactByEmailScope => ({ email }),
      // A contact whose address changes must no longer be found under the old one.
      scopeOfValue: ({ id }: ApiContact) => ({ id }),
    }),
    company: byKey(api.companiesByIds, { batchSize: 100, policy: 'companies', scope: NEVER_CHANGED }),
    deal: byKey(api.dealsByIds, { batchSize: 100, policy: 'deals' }),
    lineItem: byKey(api.lineItemsByIds, { batchSize: 100, policy: 'lineItems', scope: NEVER_CHANGED }),
    companiesOfContact: byKey(api.companiesOfContacts, associations),
    dealsOfContact: byKey(api.dealsOfContacts, associations),
    companiesOfDeal: byKey(api.companiesOfDeals, associations),
    contactsOfDeal: byKey(api.contactsOfDeals, associations),
    lineItemsOfDeal: byKey(api.lineItemsOfDeals, associations),
    // Any record may be on any page, so a write invalidates all pages.
    contactPages: oneByOne(api.contactPage, { policy: 'lists' }),
    dealPages: oneByOne(api.dealPage, { policy: 'lists' }),
  }),
  notes: {
    intro: `Set either the token of a private app, or the three variables of an OAuth app. Scopes: \`crm.objects.contacts\`,
\`crm.objects.companies\`, \`crm.objects.deals\` and \`crm.objects.line_items\` read; contacts and deals also write.`,
    rateLimits: 'Without it, the account’s number is what HubSpot’s responses say.',
  },
  sandbox: () => import('./sandbox/index.ts'),
});

/** One client request's view of HubSpot. */
export type HubSpotSession = SessionOf<typeof hubspot>;
