import type { ApiContact, ApiDeal } from './wire-types.ts';

/** A record of which some fields could not be read: the reason stands in their place, and fails them alone. */
type Partly<Api> = {
  readonly [Field in keyof Api]: Field extends 'id' | 'createdAt' ? Api[Field] : Api[Field] | Error;
};
export type PartlyContact = Partly<ApiContact>;
export type PartlyDeal = Partly<ApiDeal>;

/** A record as a write answered it. */
export type Written<Api> = {
  readonly record: Api;
  /** The properties that the answer has, of those that the graph asks for. */
  readonly has: ReadonlySet<string>;
  readonly isWhole: boolean;
};

/** Stands in for a contact that cannot be read after a write: what the write's answer lacks is `failure`. */
export const toPartlyContact = ({ record, has }: Written<ApiContact>, failure: Error): PartlyContact => ({
  id: record.id,
  createdAt: record.createdAt,
  email: has.has('email') ? record.email : failure,
  firstName: has.has('firstname') ? record.firstName : failure,
  lastName: has.has('lastname') ? record.lastName : failure,
  phone: has.has('phone') ? record.phone : failure,
  lifecycleStage: has.has('lifecyclestage') ? record.lifecycleStage : failure,
});

/** The same for a deal. */
export const toPartlyDeal = ({ record, has }: Written<ApiDeal>, failure: Error): PartlyDeal => ({
  id: record.id,
  createdAt: record.createdAt,
  name: has.has('dealname') ? record.name : failure,
  stage: has.has('dealstage') ? record.stage : failure,
  amount: has.has('amount') && has.has('deal_currency_code') ? record.amount : failure,
  closeDate: has.has('closedate') ? record.closeDate : failure,
  isClosed: has.has('hs_is_closed') ? record.isClosed : failure,
  isWon: has.has('hs_is_closed_won') ? record.isWon : failure,
});

/**
 * The record after a write: from the write's own answer where that is whole, or else read. The write has been carried out, so a
 * read that fails does not fail it: the fields that the answer lacks are errors then.
 */
export const readBack = async <Api, PartlyApi>(
  written: Written<Api>,
  read: () => Promise<Api | null>,
  toPartly: (written: Written<Api>, failure: Error) => PartlyApi,
  gone: Error,
): Promise<Api | PartlyApi> => {
  if (written.isWhole) return written.record;
  try {
    return (await read()) ?? toPartly(written, gone);
  } catch (error) {
    if (error instanceof Error) return toPartly(written, error);
    throw error;
  }
};
