import { z } from 'zod';
import type { Changes } from '../../../connectors/reads/read.ts';
import { hubspotSignature } from '../../../events/signatures/hubspot.ts';
import { digestOf, type ProviderEvent, type Webhook } from '../../../events/webhook.ts';
import { toAsciiLowerCase } from '../../kit/ascii.ts';
import type { CrmMessage } from '../model.ts';
import type { HubSpotReads } from './reads.ts';
import type { ObjectType } from './wire-types.ts';

/* HubSpot's events, and what they change. Source: https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3/guide */

/** An id, which HubSpot writes as a number or as text. */
const Id = z.union([z.string().min(1), z.number().int()]).transform(String);

const EventBase = z.looseObject({
  eventId: Id,
  subscriptionType: z.string().regex(/^[\w-]+\.\w+$/),
  occurredAt: z.number(),
  objectId: Id.optional(),
  objectTypeId: z.string().optional(),
  fromObjectId: Id.optional(),
});

const Events = z.array(z.unknown());

const Event = z.object({
  subscriptionType: z.string(),
  objectId: Id.optional(),
  objectTypeId: z.string().optional(),
  propertyName: z.string().optional(),
  propertyValue: z.unknown().optional(),
  fromObjectId: Id.optional(),
  toObjectId: Id.optional(),
  associationType: z.string().optional(),
  primaryObjectId: Id.optional(),
  mergedObjectIds: z.array(Id).optional(),
  newObjectId: Id.optional(),
});
type Event = z.output<typeof Event>;

type HubSpotChanges = Changes<HubSpotReads>;

const NONE: HubSpotChanges = {};

// Generic subscriptions name the type by its id.
// Source: https://developers.hubspot.com/docs/guides/crm/understanding-the-crm#object-type-ids
const TYPES: Readonly<Record<string, ObjectType>> = {
  contact: 'contacts',
  company: 'companies',
  deal: 'deals',
  line_item: 'line_items',
  '0-1': 'contacts',
  '0-2': 'companies',
  '0-3': 'deals',
  '0-8': 'line_items',
};

const typeOf = ({ subscriptionType, objectTypeId = '' }: Pick<Event, 'subscriptionType' | 'objectTypeId'>) => {
  const [name = ''] = subscriptionType.split('.');
  return TYPES[name === 'object' ? objectTypeId : name];
};

/** Returns the changes of records of a type, and of the lists of which they may be part. */
const ofRecords = (type: ObjectType, ids: readonly string[], { propertyName, propertyValue }: Event) => {
  const changes: Readonly<Record<ObjectType, () => HubSpotChanges>> = {
    contacts: () => ({
      contact: ids,
      contactByEmail: [
        ...ids.map((id) => ({ id })),
        // The new address may be cached as missing.
        ...(propertyName === 'email' && typeof propertyValue === 'string'
          ? [{ email: toAsciiLowerCase(propertyValue) }]
          : []),
      ],
      contactPages: 'all',
    }),
    companies: () => ({ company: ids }),
    deals: () => ({ deal: ids, dealPages: 'all' }),
    line_items: () => ({ lineItem: ids }),
  };
  return changes[type]();
};

/** Returns the changes of records whose associations may all be others. */
const ofAssociationsOf = (type: ObjectType, ids: readonly string[]): HubSpotChanges => {
  const changes: Readonly<Record<ObjectType, HubSpotChanges>> = {
    contacts: { companiesOfContact: ids, dealsOfContact: ids },
    companies: {},
    deals: { companiesOfDeal: ids, contactsOfDeal: ids, lineItemsOfDeal: ids },
    line_items: {},
  };
  return changes[type];
};

/** The reads of associations, by HubSpot's types of an association's direction. */
const ASSOCIATIONS: Readonly<Record<string, (from: readonly string[]) => HubSpotChanges>> = {
  CONTACT_TO_COMPANY: (from) => ({ companiesOfContact: from }),
  CONTACT_TO_DEAL: (from) => ({ dealsOfContact: from }),
  DEAL_TO_COMPANY: (from) => ({ companiesOfDeal: from }),
  DEAL_TO_CONTACT: (from) => ({ contactsOfDeal: from }),
  DEAL_TO_LINE_ITEM: (from) => ({ lineItemsOfDeal: from }),
};

const reversed = (associationType: string): string => associationType.split('_TO_').toReversed().join('_TO_');

/** Returns the changes of an association, in both directions. */
const ofAssociation = ({ associationType = '', fromObjectId: from, toObjectId: to }: Event): HubSpotChanges => ({
  ...(from !== undefined && ASSOCIATIONS[associationType]?.([from])),
  ...(to !== undefined && ASSOCIATIONS[reversed(associationType)]?.([to])),
});

const changesOf = (event: Event): HubSpotChanges => {
  const action = event.subscriptionType.split('.')[1];
  if (action === 'associationChange') return ofAssociation(event);
  const type = typeOf(event);
  if (!type) return NONE;
  const { objectId, primaryObjectId, newObjectId, mergedObjectIds = [] } = event;
  const ids = [...new Set([objectId, primaryObjectId, newObjectId, ...mergedObjectIds])].filter(
    (id) => id !== undefined,
  );
  const records = ofRecords(type, ids, event);
  return action === 'propertyChange' ? records : { ...records, ...ofAssociationsOf(type, ids) };
};

const TOPICS: Readonly<Partial<Record<ObjectType, CrmMessage['topic']>>> = {
  contacts: 'customerChanged',
  deals: 'dealChanged',
};

const toMessages = (type: ObjectType | undefined, ids: readonly (string | undefined)[]): readonly CrmMessage[] => {
  const topic = type && TOPICS[type];
  return topic ? ids.flatMap((id) => (id === undefined ? [] : [{ topic, id }])) : [];
};

/** Returns the messages of an event. Both records of an association have changed. */
const messagesOf = (event: Event): readonly CrmMessage[] => {
  const { associationType = '', fromObjectId, toObjectId, objectId, primaryObjectId, newObjectId } = event;
  if (event.subscriptionType.split('.')[1] !== 'associationChange') {
    return toMessages(typeOf(event), [objectId, primaryObjectId, newObjectId, ...(event.mergedObjectIds ?? [])]);
  }
  const [from = '', to = ''] = associationType.toLowerCase().split('_to_');
  return [...toMessages(TYPES[from], [fromObjectId]), ...toMessages(TYPES[to], [toObjectId])];
};

const toProviderEvent = (event: z.output<typeof EventBase>): ProviderEvent => {
  const { subscriptionType, occurredAt, objectId, fromObjectId } = event;
  // The number of the attempt differs between deliveries.
  const { attemptNumber: _, ...content } = event;
  const id = objectId ?? fromObjectId;
  return {
    // HubSpot does not guarantee that its own ids are unique.
    id: `${event.eventId} ${digestOf(content)}`,
    content,
    type: subscriptionType,
    object: id === undefined ? undefined : `${typeOf(event) ?? subscriptionType.split('.')[0]} ${id}`,
    version: occurredAt,
    payload: event,
  };
};

/** Reads an event of a delivery. One that is malformed does not hold up the others: it is parked if its changes cannot be read. */
const readEvent = (value: unknown): ProviderEvent => {
  const { data } = EventBase.safeParse(value);
  return data ? toProviderEvent(data) : { id: `malformed ${digestOf(value)}`, type: 'unknown', payload: value };
};

/** HubSpot's webhook. A delivery has up to 100 events. */
export const hubspotWebhook: Webhook<HubSpotChanges, CrmMessage> = {
  signature: hubspotSignature,
  secret: 'The client secrets of the HubSpot app, with which HubSpot signs. `PUBLIC_URL` must be set too.',
  retriesForHours: 24,
  events: ({ body }) => Events.parse(body).map(readEvent),
  changes: ({ payload }) => changesOf(Event.parse(payload)),
  messages: ({ payload }) => messagesOf(Event.parse(payload)),
};
