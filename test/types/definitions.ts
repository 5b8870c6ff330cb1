import { z } from 'zod';
import { defineProvider, http } from '../../connectors/define-provider.ts';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import type { Connection } from '../../connectors/provider.ts';
import type { Changes } from '../../connectors/reads/read.ts';
import { byKey, oneByOne, operation } from '../../connectors/reads/read.ts';
import { secret, url } from '../../connectors/settings.ts';
import type { DomainEventChanges, DomainEvents } from '../../events/domain-events.ts';

/*
 * Errors that the compiler must report in a provider's definition and its uses: `npm run types` fails if one of these
 * lines compiles. Nothing here is run.
 */

type Page = { readonly owner: string; readonly after?: string };

const createApi = () => ({
  things: operation('GET /things', () => async (keys: readonly string[], _: RequestOptions) => {
    return new Map(keys.map((key) => [key, { id: key }]));
  }),
  pages: operation('GET /pages', () => async (page: Page, _: RequestOptions) => [page.owner]),
  unnamed: async (keys: readonly string[], _: RequestOptions) => new Map(keys.map((key) => [key, { id: key }])),
});

const policies = { things: { maxAge: 1, staleWhileRevalidate: 1, staleIfError: 1 } };

const shop = defineProvider({
  name: 'shop',
  title: 'Shop',
  envPrefix: 'SHOP',
  settings: { BASE_URL: secret(url(), 'Where the API is.') },
  identity: ({ BASE_URL }) => [BASE_URL],
  defaults: { timeoutMs: 1, concurrency: 1 },
  rateLimits: [],
  cachePolicies: policies,
  transport: http(),
  api: createApi,
  reads: (api) => ({
    thing: byKey(api.things, { batchSize: 10, policy: 'things' }),
    pages: oneByOne(api.pages, { policy: 'things', scope: ({ owner }) => owner }),
  }),
});

export const uses = async ({
  invalidate,
  readers,
}: Connection<ReturnType<typeof createApi>, ReturnType<typeof shop.reads>>) => {
  await invalidate({ thing: ['1'], pages: 'all' });
  await invalidate({ pages: ['an owner'] });
  await readers.thing.load(['1'], {});
  await readers.pages.load([{ owner: 'x' }], {});

  // @ts-expect-error a read that does not exist
  await invalidate({ things: ['1'] });
  // @ts-expect-error a scope of the wrong type
  await invalidate({ thing: [1] });
  // @ts-expect-error the key of a page instead of its owner
  await invalidate({ pages: [{ owner: 'x' }] });
  // @ts-expect-error text other than `all`
  await invalidate({ thing: 'everything' });
  // @ts-expect-error a key of the wrong type
  await readers.pages.load(['x'], {});
  // @ts-expect-error a read that does not exist
  await readers.page.load([{ owner: 'x' }], {});
};

defineProvider({
  ...shop,
  cachePolicies: policies,
  // @ts-expect-error a cache policy that does not exist
  reads: (api) => ({ thing: byKey(api.things, { batchSize: 10, policy: 'thing' }) }),
});

defineProvider({
  ...shop,
  // @ts-expect-error a setting that does not exist
  identity: ({ URL }) => [URL],
});

// @ts-expect-error a function without an operation
byKey(createApi().unnamed, { batchSize: 10, policy: 'things' });

type ThingMessage =
  | { readonly topic: 'thingChanged'; readonly id: string }
  | { readonly topic: 'pageChanged'; readonly owner: string };
type ThingEvents = DomainEventChanges<Changes<ReturnType<typeof shop.reads>>, ThingMessage>;

const Id = z.object({ id: z.string() });
const Owner = z.object({ owner: z.string() });

const domainEvents: ThingEvents = {
  thingChanged: { keys: Id, changes: ({ id }) => ({ thing: [id], pages: 'all' }) },
  pageChanged: { keys: Owner, changes: ({ owner }) => ({ pages: [owner] }) },
};
defineProvider({ ...shop, domainEvents });

export const wrongEvents: readonly ThingEvents[] = [
  // @ts-expect-error a read that does not exist
  { ...domainEvents, thingChanged: { keys: Id, changes: ({ id }) => ({ things: [id] }) } },
  // @ts-expect-error a scope of the wrong type
  { ...domainEvents, pageChanged: { keys: Owner, changes: ({ owner }) => ({ pages: [{ owner }] }) } },
  // @ts-expect-error a key that the message does not have
  { ...domainEvents, pageChanged: { keys: Owner, changes: ({ id }) => ({ pages: [id] }) } },
  // @ts-expect-error a schema without the key of the message
  { ...domainEvents, pageChanged: { keys: Id, changes: ({ owner }) => ({ pages: [owner] }) } },
  // @ts-expect-error a message that is left out
  { thingChanged: domainEvents.thingChanged },
];

export const described: DomainEvents<ThingMessage> = {
  thingChanged: { description: 'A thing has changed.', keys: { id: 'The ID.' }, subject: 'id' },
  // @ts-expect-error a key that is not described
  pageChanged: { description: 'A page has changed.', keys: {}, subject: 'owner' },
};

defineProvider({
  ...shop,
  // @ts-expect-error reads of another provider
  domainEvents: { thingChanged: { keys: Id, changes: () => ({ contact: ['1'] }) } },
});
