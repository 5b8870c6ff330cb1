import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { print } from 'graphql';
import { REPORT_HEADERS } from '../cost/report.ts';
import { ChangePhoneDocument, PayDocument, RefundDocument } from '../generated/graphql.ts';
import { send, URL } from '../send.ts';

/*
 * Changes of the sample data, by the public API. The sandboxes report them by webhook, as the providers would.
 */

/** A customer of the sample company. */
const CUSTOMER = { id: '101', email: 'ada.lindqvist@customers.example' };

/** Runs a mutation. Throws with the first error. */
const mutate = async <Data, Variables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> => {
  const response = await send(URL, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...REPORT_HEADERS },
    body: JSON.stringify({ query: print(document), variables }),
  });
  const { data, errors } = (await response.json()) as { data?: Data; errors?: readonly { readonly message: string }[] };
  if (errors?.[0]) throw new Error(errors[0].message);
  return data as Data;
};

const digits = (): string => String(Math.floor(1_000_000 + Math.random() * 9_000_000));

const newKey = (): string => `explorer-${crypto.getRandomValues(new Uint32Array(4)).join('-')}`;

/** Gives the sample customer a new phone number. Returns what was done, in words. */
const changePhone = async (): Promise<string> => {
  const phone = `+46 70 ${digits()}`;
  await mutate(ChangePhoneDocument, { id: CUSTOMER.id, phone });
  return `The customer ${CUSTOMER.id} has the phone number ${phone}.`;
};

/** Makes a payment of the sample customer, and refunds a part of it. */
const payAndRefund = async (): Promise<string> => {
  const { createPayment } = await mutate(PayDocument, { email: CUSTOMER.email, key: newKey() });
  const { id } = createPayment?.payment ?? {};
  if (!id) throw new Error('The payment was not made.');
  await mutate(RefundDocument, { id, key: newKey() });
  return `${CUSTOMER.email} has paid SEK 100, and got SEK 40 back.`;
};

export type SampleChange = {
  /** The subgraph whose sandbox has the data. */
  readonly subgraph: string;
  readonly label: string;
  readonly run: () => Promise<string>;
};

export const SAMPLE_CHANGES: readonly SampleChange[] = [
  { subgraph: 'crm', label: 'Change a phone number', run: changePhone },
  { subgraph: 'payments', label: 'Pay and refund', run: payAndRefund },
];
