import { z } from 'zod';
import type { Tag } from '../../connectors/reads/tag.ts';
import { unusableResponse } from '../../connectors/transports/parse.ts';
import { badInput } from '../kit/errors.ts';
import { DateTime, Decimal, Email, readInput, text } from '../kit/inputs.ts';
import { reconcile } from '../kit/reconcile.ts';
import type { MutationResolvers } from './generated.ts';
import type { Endpoint } from './hubspot/endpoints.ts';
import { API_LIFECYCLE_STAGE } from './hubspot/mapping.ts';
import { tags } from './hubspot/tags.ts';
import { readBack, toPartlyContact, toPartlyDeal } from './hubspot/written.ts';
import type { Context } from './loaders.ts';

/** HubSpot numbers its records. */
export const RecordId = z.string().regex(/^[1-9]\d{0,18}$/, 'must be an id, which is a number');

/** A stage that can be set or looked for. */
export const LifecycleStage = z
  .custom<keyof typeof API_LIFECYCLE_STAGE>(
    (stage) => typeof stage === 'string' && Object.hasOwn(API_LIFECYCLE_STAGE, stage),
    'OTHER stands for many stages and cannot be given',
  )
  .transform((stage) => API_LIFECYCLE_STAGE[stage]);

const Person = {
  firstName: text(200).nullish(),
  lastName: text(200).nullish(),
  phone: text(50).nullish(),
  lifecycleStage: LifecycleStage.nullish(),
};

const CreateCustomer = z.object({ ...Person, email: Email, companyId: RecordId.nullish() });
const UpdateCustomer = z.object({ ...Person, id: RecordId, email: Email.nullish() });
const UpdateDeal = z.object({
  id: RecordId,
  name: text(500).nullish(),
  stage: text(200).nullish(),
  amount: Decimal.nullish(),
  closeDate: DateTime.transform((date) => date.toISOString()).nullish(),
});

/** HubSpot's properties from what the input sets: what is left out is left alone, null clears. */
const toProperties = (values: Readonly<Record<string, string | null | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value ?? '']])),
  );

const toPersonProperties = ({
  email,
  firstName,
  lastName,
  phone,
  lifecycleStage,
}: Partial<z.output<typeof UpdateCustomer>>) =>
  toProperties({ email, firstname: firstName, lastname: lastName, phone, lifecyclestage: lifecycleStage });

const requireChange = (properties: Readonly<Record<string, string>>): void => {
  if (Object.keys(properties).length === 0) throw badInput('input', 'changes nothing');
};

const gone = ({ operation }: Endpoint): Error =>
  unusableResponse({ upstream: 'crm', operation }, 'nothing of a record that was just written');

/** Runs a write of a record and invalidates what it changes: also where it failed, since it may have been carried out. */
const withInvalidation = async <Answer>(
  changed: readonly Tag[],
  { invalidate, loaders }: Context,
  write: () => Promise<Answer>,
): Promise<Answer> => {
  try {
    return await write();
  } finally {
    await invalidate(changed);
    loaders.clearAll();
  }
};

export const mutations: MutationResolvers = {
  createCustomer: async (_, args, context) => {
    const { companyId, ...person } = readInput(CreateCustomer, args.input, 'input');
    const { api, call, loaders, invalidate } = context;
    const properties = toPersonProperties(person);
    const since = Date.now();
    const changed = [tags.contactByEmail(person.email), tags.contactLists];
    const written = await withInvalidation(changed, context, () =>
      reconcile(
        () => api.createContact(properties, companyId ?? undefined, call),
        () => api.contactMadeSince(since, properties, call),
      ),
    );
    const { id } = written.record;
    // Somebody may have asked for this id before there was one.
    await invalidate([tags.contact(id)]);
    const read = () => loaders.contact.load(id);
    return { customer: await readBack(written, read, toPartlyContact, gone(api.endpoints.create('contacts'))) };
  },

  updateCustomer: async (_, args, context) => {
    const { id, ...person } = readInput(UpdateCustomer, args.input, 'input');
    const { api, call, loaders, invalidate } = context;
    const properties = toPersonProperties(person);
    requireChange(properties);
    const changed = [tags.contact(id), tags.contactLists];
    if (person.email) changed.push(tags.contactByEmail(person.email));
    const written = await withInvalidation(changed, context, () =>
      reconcile(
        () => api.updateContact(id, properties, call),
        () => api.contactWith(id, properties, call),
      ),
    );
    const { id: writtenId } = written.record;
    // The contact that it has been merged into.
    if (writtenId !== id) await invalidate([tags.contact(writtenId)]);
    const read = () => loaders.contact.load(writtenId);
    return {
      customer: await readBack(written, read, toPartlyContact, gone(api.endpoints.update('contacts', writtenId))),
    };
  },

  updateDeal: async (_, args, context) => {
    const { id, name, stage, amount, closeDate } = readInput(UpdateDeal, args.input, 'input');
    const { api, call, loaders, invalidate } = context;
    const properties = toProperties({ dealname: name, dealstage: stage, amount, closedate: closeDate });
    requireChange(properties);
    const written = await withInvalidation([tags.deal(id), tags.dealLists], context, () =>
      reconcile(
        () => api.updateDeal(id, properties, call),
        () => api.dealWith(id, properties, call),
      ),
    );
    const { id: writtenId } = written.record;
    if (writtenId !== id) await invalidate([tags.deal(writtenId)]);
    const read = () => loaders.deal.load(writtenId);
    return { deal: await readBack(written, read, toPartlyDeal, gone(api.endpoints.update('deals', writtenId))) };
  },
};
