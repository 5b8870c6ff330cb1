import { z } from 'zod';
import { badInput } from '../kit/errors.ts';
import { DateTime, Decimal, Email, readInput, text } from '../kit/inputs.ts';
import type { MutationResolvers } from './generated.ts';
import type { IdSchema, SingleLifecycleStage } from './model.ts';

/** Schema of a lifecycle stage that can be set or filtered by. */
export const LifecycleStage = z.custom<SingleLifecycleStage>(
  (stage) => typeof stage === 'string' && stage !== 'OTHER',
  'OTHER stands for several stages; use a specific one',
);

const Person = {
  firstName: text(200).nullish(),
  lastName: text(200).nullish(),
  phone: text(50).nullish(),
  lifecycleStage: LifecycleStage.nullish(),
};

const requireChange = (update: Readonly<Record<string, unknown>>): void => {
  if (Object.values(update).every((value) => value === undefined)) throw badInput('input', 'sets no field');
};

export const createMutations = (Id: IdSchema): MutationResolvers => {
  const CreateCustomer = z.object({ ...Person, email: Email, companyId: Id.nullish() });
  const UpdateCustomer = z.object({ ...Person, id: Id, email: Email.nullish() });
  const UpdateDeal = z.object({
    id: Id,
    name: text(500).nullish(),
    stage: text(200).nullish(),
    amount: Decimal.nullish(),
    closeDate: DateTime.transform((date) => date.toISOString()).nullish(),
  });
  return {
    createCustomer: async (_, args, { crm }) => ({
      customer: await crm.createCustomer(readInput(CreateCustomer, args.input, 'input')),
    }),
    updateCustomer: async (_, args, { crm }) => {
      const { id, ...update } = readInput(UpdateCustomer, args.input, 'input');
      requireChange(update);
      return { customer: await crm.updateCustomer(id, update) };
    },
    updateDeal: async (_, args, { crm }) => {
      const { id, ...update } = readInput(UpdateDeal, args.input, 'input');
      requireChange(update);
      return { deal: await crm.updateDeal(id, update) };
    },
  };
};
