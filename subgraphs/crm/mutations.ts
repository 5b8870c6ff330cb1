import { z } from 'zod';
import { UpstreamError } from '../../connectors/errors.ts';
import { badInput } from '../errors.ts';
import { DateTime, Decimal, Email, readInput, text } from '../inputs.ts';
import type { MutationResolvers } from './generated.ts';
import { API_LIFECYCLE_STAGE } from './mapping.ts';

/** HubSpot numbers its records. */
export const RecordId = z.string().regex(/^\d{1,19}$/, 'must be an id, which is a number');

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

const justWritten = <T>(record: T | null): T => {
  if (record !== null) return record;
  throw new UpstreamError('UPSTREAM_BAD_RESPONSE', 'crm', 'a record that was just written is not there');
};

export const mutations: MutationResolvers = {
  createCustomer: async (_, args, { api, call, loaders }) => {
    const { companyId, ...person } = readInput(CreateCustomer, args.input, 'input');
    const id = await api.createContact(toPersonProperties(person), companyId ?? undefined, call);
    loaders.forgetAll();
    return { customer: justWritten(await loaders.contact.load(id)) };
  },

  updateCustomer: async (_, args, { api, call, loaders }) => {
    const { id, ...person } = readInput(UpdateCustomer, args.input, 'input');
    const properties = toPersonProperties(person);
    requireChange(properties);
    await api.updateContact(id, properties, call);
    loaders.forgetAll();
    return { customer: justWritten(await loaders.contact.load(id)) };
  },

  updateDeal: async (_, args, { api, call, loaders }) => {
    const { id, name, stage, amount, closeDate } = readInput(UpdateDeal, args.input, 'input');
    const properties = toProperties({ dealname: name, dealstage: stage, amount, closedate: closeDate });
    requireChange(properties);
    await api.updateDeal(id, properties, call);
    loaders.forgetAll();
    return { deal: justWritten(await loaders.deal.load(id)) };
  },
};
