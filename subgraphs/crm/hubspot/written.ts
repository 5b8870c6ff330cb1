import type { ApiContact, ApiDeal } from './wire-types.ts';

/** A record with Errors in place of fields that could not be read, which fail only those fields. */
type Partly<Api> = {
  readonly [Field in keyof Api]: Field extends 'id' | 'createdAt' ? Api[Field] : Api[Field] | Error;
};
export type PartlyContact = Partly<ApiContact>;
export type PartlyDeal = Partly<ApiDeal>;

/** A record as parsed from a write's response. */
export type Written<Api> = {
  readonly record: Api;
  /** The requested properties that the response contains. */
  readonly has: ReadonlySet<string>;
  readonly isWhole: boolean;
};

/** Builds a contact from a write's response alone; the fields that it lacks are `failure`. */
export const toPartlyContact = ({ record, has }: Written<ApiContact>, failure: Error): PartlyContact => ({
  id: record.id,
  createdAt: record.createdAt,
  email: has.has('email') ? record.email : failure,
  firstName: has.has('firstname') ? record.firstName : failure,
  lastName: has.has('lastname') ? record.lastName : failure,
  phone: has.has('phone') ? record.phone : failure,
  lifecycleStage: has.has('lifecyclestage') ? record.lifecycleStage : failure,
});

/** Builds a deal in the same way. */
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
 * Returns the record after a write: from the write's response if that is complete, otherwise by reading it. The write has been
 * carried out, so a failed read does not fail it; instead, the fields that the response lacks are Errors.
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
