import type { ApiContact, ApiDeal } from './wire-types.ts';

/** A record with Errors in place of fields that could not be read, which fail only those fields. */
type PartiallyRead<Api> = {
  readonly [Field in keyof Api]: Field extends 'id' | 'createdAt' ? Api[Field] : Api[Field] | Error;
};
export type PartialContact = PartiallyRead<ApiContact>;
export type PartialDeal = PartiallyRead<ApiDeal>;

/** A record as parsed from a write's response. */
export type WrittenRecord<Api> = {
  readonly record: Api;
  /** The requested properties that the response contains. */
  readonly has: ReadonlySet<string>;
  readonly isComplete: boolean;
};

/** Builds a contact from a write's response alone; the fields that it lacks are `failure`. */
export const toPartialContact = ({ record, has }: WrittenRecord<ApiContact>, failure: Error): PartialContact => ({
  id: record.id,
  createdAt: record.createdAt,
  email: has.has('email') ? record.email : failure,
  firstName: has.has('firstname') ? record.firstName : failure,
  lastName: has.has('lastname') ? record.lastName : failure,
  phone: has.has('phone') ? record.phone : failure,
  lifecycleStage: has.has('lifecyclestage') ? record.lifecycleStage : failure,
});

/** Builds a deal in the same way. */
export const toPartialDeal = ({ record, has }: WrittenRecord<ApiDeal>, failure: Error): PartialDeal => ({
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
export const readBack = async <Api, PartialApi>(
  written: WrittenRecord<Api>,
  read: () => Promise<Api | null>,
  toPartial: (written: WrittenRecord<Api>, failure: Error) => PartialApi,
  gone: Error,
): Promise<Api | PartialApi> => {
  if (written.isComplete) return written.record;
  try {
    return (await read()) ?? toPartial(written, gone);
  } catch (error) {
    if (error instanceof Error) return toPartial(written, error);
    throw error;
  }
};
