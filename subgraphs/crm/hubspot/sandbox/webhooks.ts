import { hubspotSignature } from '../../../../events/signatures/hubspot.ts';
import { createWebhookSender, type WebhookSender } from '../../../../sandbox/webhooks.ts';
import type { Change, ObjectType, ReportChange } from './state.ts';

const NAMES: Readonly<Record<ObjectType, string>> = {
  contacts: 'contact',
  companies: 'company',
  deals: 'deal',
  line_items: 'line_item',
};

const ACCOUNT = { portalId: 62515, appId: 1160452 };

/** Returns the fields of an event that depend on its action. */
const fieldsOf = (change: Change): object => {
  switch (change.action) {
    case 'creation':
      return { objectId: Number(change.id), changeFlag: 'CREATED' };
    case 'deletion':
      return { objectId: Number(change.id), changeFlag: 'DELETED' };
    case 'propertyChange':
      return { objectId: Number(change.id), propertyName: change.name, propertyValue: change.value ?? '' };
    case 'associationChange': {
      const { type, toType, id, toId, isRemoved } = change;
      const associationType = `${NAMES[type]}_TO_${NAMES[toType]}`.toUpperCase();
      return {
        associationType,
        fromObjectId: Number(id),
        toObjectId: Number(toId),
        associationRemoved: isRemoved,
        isPrimaryAssociation: false,
      };
    }
  }
};

/** Creates the sandbox's webhook: up to 100 events in a delivery. An app is subscribed to all of them. */
export const createHubSpotWebhooks = (
  now: () => number,
): { readonly sender: WebhookSender; readonly report: ReportChange } => {
  let events = 0;
  const sender = createWebhookSender({
    maxEvents: 100,
    toBody: (all, attempt) => JSON.stringify(all.map((event) => ({ ...event, attemptNumber: attempt - 1 }))),
    sign: (body, { url, publicUrl = url, secret }) =>
      hubspotSignature.sign({ method: 'POST', url: publicUrl, body: Buffer.from(body) }, secret, now()),
  });
  return {
    sender,
    report: (change) => {
      events += 1;
      const type = `${NAMES[change.type]}.${change.action}`;
      sender.send({
        type,
        event: {
          eventId: events,
          subscriptionId: 2_700_000 + Object.keys(NAMES).indexOf(change.type),
          ...ACCOUNT,
          occurredAt: now(),
          subscriptionType: type,
          changeSource: 'CRM_UI',
          ...fieldsOf(change),
        },
      });
    },
  };
};
