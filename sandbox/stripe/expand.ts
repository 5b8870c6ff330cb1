import { invalid } from './errors.ts';
import { toPaymentMethod } from './objects.ts';
import type { StripeState } from './state.ts';

type Json = Record<string, unknown>;

/** Which references of an object can be replaced by what they name, and which parts come only where they are asked for. */
const EXPANDABLE: ReadonlyMap<unknown, ReadonlySet<string>> = new Map(
  Object.entries({
    customer: ['cash_balance', 'default_source', 'sources', 'subscriptions', 'tax_ids', 'test_clock'],
    payment_intent: ['application', 'customer', 'latest_charge', 'on_behalf_of', 'payment_method', 'review'],
    charge: [
      'application',
      'application_fee',
      'balance_transaction',
      'customer',
      'failure_balance_transaction',
      'on_behalf_of',
      'payment_intent',
      'refunds',
      'review',
      'source_transfer',
    ],
    refund: [
      'balance_transaction',
      'charge',
      'customer',
      'payment_intent',
      'payment_method',
      'source_transfer_reversal',
      'transfer_reversal',
    ],
    invoice: [
      'application',
      'customer',
      'default_payment_method',
      'default_source',
      'discounts',
      'latest_revision',
      'on_behalf_of',
      'payments',
      'test_clock',
    ],
    payment_method: ['customer'],
    line_item: ['discounts', 'subscription'],
  }).map(([object, fields]) => [object, new Set(fields)]),
);

/**
 * Replaces references by the objects they name, along paths such as `data.latest_charge.refunds`, at most four deep.
 * Works on a copy.
 */
export const expand = (object: object, paths: readonly string[], state: StripeState): Json => {
  const copy = structuredClone(object) as Json;
  for (const path of paths) {
    const steps = path.split('.');
    if (steps.filter((step) => step !== 'data').length > 4) {
      throw invalid('You cannot expand more than 4 levels of a property.', { param: 'expand' });
    }
    expandPath(copy, steps, path, state);
  }
  return copy;
};

const isObject = (value: unknown): value is Json => value !== null && typeof value === 'object';

const expandPath = (target: Json, [step, ...rest]: readonly string[], path: string, state: StripeState): void => {
  if (step === undefined) return;
  if (step === 'data' && Array.isArray(target['data'])) {
    for (const item of target['data']) expandPath(item as Json, rest, path, state);
    return;
  }
  if (EXPANDABLE.get(target['object'])?.has(step)) target[step] = resolve(target, step, state);
  else if (rest.length === 0 || !isObject(target[step])) {
    throw invalid(`This property cannot be expanded (${path}).`, { param: 'expand' });
  }
  const expanded = target[step];
  if (isObject(expanded) && !Array.isArray(expanded)) expandPath(expanded, rest, path, state);
};

const resolve = (target: Json, step: string, state: StripeState): unknown => {
  const value = target[step];
  if (typeof value === 'string') return find(value, target, state);
  if (value !== undefined) return value;
  if (target['object'] === 'charge' && step === 'refunds') return refundsOf(target, state);
  return step === 'cash_balance' ? null : emptyList(target, step);
};

const find = (id: string, target: Json, { byId }: StripeState): unknown =>
  id.startsWith('pm_') ? toPaymentMethod(id, target) : structuredClone(byId.get(id) ?? id);

const PLURALS: Readonly<Record<string, string>> = { customer: 'customers', invoice: 'invoices' };

// Of these the company's account has none.
const emptyList = ({ object, id }: Json, step: string): unknown => ({
  object: 'list',
  data: [],
  has_more: false,
  url: `/v1/${PLURALS[String(object)]}/${id}/${step}`,
});

// The latest ten, as the provider includes them.
const refundsOf = (charge: Json, { refunds }: StripeState): unknown => {
  const all = refunds.filter((refund) => refund.charge === charge['id']);
  return structuredClone({
    object: 'list',
    data: all.slice(0, 10),
    has_more: all.length > 10,
    url: `/v1/charges/${charge['id']}/refunds`,
  });
};
