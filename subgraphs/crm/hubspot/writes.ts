import { unusableResponse } from '../../../connectors/transports/parse.ts';
import { reconcile } from '../../kit/reconcile.ts';
import type { CustomerUpdate, DealUpdate, NewCustomer } from '../model.ts';
import type { Properties } from './api.ts';
import type { HubSpotSession } from './definition.ts';
import type { Endpoint } from './endpoints.ts';
import { API_LIFECYCLE_STAGE } from './mapping.ts';
import { type PartialContact, type PartialDeal, readBack, toPartialContact, toPartialDeal } from './read-back.ts';

/* The crm subgraph's writes. Each invalidates what it changes and returns the record as it is afterwards. */

/** Creates a contact, optionally associated with a company. */
export const createCustomer = async (
  { companyId, ...person }: NewCustomer,
  session: HubSpotSession,
): Promise<PartialContact> => {
  const { api, options, loaders, invalidate } = session;
  const properties = toContactProperties(person);
  const since = Date.now();
  const changes: Changes = { contactByEmail: [{ email: person.email }], contactPages: 'all' };
  const written = await withInvalidation(changes, session, () =>
    reconcile(
      () => api.createContact(properties, companyId ?? undefined, options),
      () => api.contactMadeSince(since, properties, options),
    ),
  );
  const { id } = written.record;
  // The id may be cached as missing.
  await invalidate(changesOfContact(id));
  return readBack(written, () => loaders.contact.load(id), toPartialContact, gone(api.endpoints.create('contacts')));
};

/** Updates a contact. */
export const updateCustomer = async (
  id: string,
  update: CustomerUpdate,
  session: HubSpotSession,
): Promise<PartialContact> => {
  const { api, options, loaders, invalidate } = session;
  const properties = toContactProperties(update);
  const changes: Changes = { ...changesOfContact(id, update.email), contactPages: 'all' };
  const written = await withInvalidation(changes, session, () =>
    reconcile(
      () => api.updateContact(id, properties, options),
      () => api.contactWith(id, properties, options),
    ),
  );
  const { id: writtenId } = written.record;
  // The contact was merged into another one.
  if (writtenId !== id) await invalidate(changesOfContact(writtenId));
  return readBack(
    written,
    () => loaders.contact.load(writtenId),
    toPartialContact,
    gone(api.endpoints.update('contacts', writtenId)),
  );
};

/** Updates a deal. */
export const updateDeal = async (id: string, update: DealUpdate, session: HubSpotSession): Promise<PartialDeal> => {
  const { api, options, loaders, invalidate } = session;
  const { name, stage, amount, closeDate } = update;
  const properties = toProperties({ dealname: name, dealstage: stage, amount, closedate: closeDate });
  const written = await withInvalidation({ deal: [id], dealPages: 'all' }, session, () =>
    reconcile(
      () => api.updateDeal(id, properties, options),
      () => api.dealWith(id, properties, options),
    ),
  );
  const { id: writtenId } = written.record;
  // The deal was merged into another one.
  if (writtenId !== id) await invalidate({ deal: [writtenId] });
  return readBack(
    written,
    () => loaders.deal.load(writtenId),
    toPartialDeal,
    gone(api.endpoints.update('deals', writtenId)),
  );
};

type Changes = Parameters<HubSpotSession['invalidate']>[0];

/** Returns the changes of a contact: its id, and the address that it is read by, including a new one. */
const changesOfContact = (id: string, email?: string | null): Changes => ({
  contact: [id],
  contactByEmail: email ? [{ id }, { email }] : [{ id }],
});

/** Runs a write and invalidates its changes, even if it failed: it may have been carried out. */
const withInvalidation = async <Written>(
  changes: Changes,
  { invalidate }: HubSpotSession,
  write: () => Promise<Written>,
): Promise<Written> => {
  try {
    return await write();
  } finally {
    await invalidate(changes);
  }
};

/** Converts values to HubSpot's properties: undefined leaves a property unchanged, null clears it. */
const toProperties = (values: Readonly<Record<string, string | null | undefined>>): Properties =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value ?? '']])),
  );

const toContactProperties = ({ email, firstName, lastName, phone, lifecycleStage }: CustomerUpdate): Properties =>
  toProperties({
    email,
    firstname: firstName,
    lastname: lastName,
    phone,
    lifecyclestage: lifecycleStage && API_LIFECYCLE_STAGE[lifecycleStage],
  });

const gone = ({ operation }: Endpoint): Error =>
  unusableResponse({ subgraph: 'crm', operation }, 'nothing of a record that was just written');
