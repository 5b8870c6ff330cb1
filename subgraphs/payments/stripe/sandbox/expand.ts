import { invalid } from './errors.ts';
import { toPaymentMethod } from './objects.ts';
import type { StripeState } from './state.ts';

type Json = Record<string, unknown>;

/** What the account has none of, so that nothing is known of it either. */
const NONE = '';

/**
 * By kind of object, the references that can be replaced by what they name, and the parts that come only where they are
 * asked for, each with the kind of what is there then. Lists are of the kind `list:` and what is in them.
 */
const EXPANDABLE: ReadonlyMap<unknown, ReadonlyMap<string, string>> = new Map(
  Object.entries({
    customer: {
      cash_balance: NONE,
      default_source: NONE,
      sources: NONE,
      subscriptions: NONE,
      tax_ids: NONE,
      test_clock: NONE,
    },
    payment_intent: {
      application: NONE,
      customer: 'customer',
      latest_charge: 'charge',
      on_behalf_of: NONE,
      payment_method: 'payment_method',
      review: NONE,
    },
    charge: {
      application: NONE,
      application_fee: NONE,
      balance_transaction: NONE,
      customer: 'customer',
      failure_balance_transaction: NONE,
      on_behalf_of: NONE,
      payment_intent: 'payment_intent',
      refunds: 'list:refund',
      review: NONE,
      source_transfer: NONE,
    },
    refund: {
      balance_transaction: NONE,
      charge: 'charge',
      customer: 'customer',
      payment_intent: 'payment_intent',
      payment_method: 'payment_method',
      source_transfer_reversal: NONE,
      transfer_reversal: NONE,
    },
    invoice: {
      application: NONE,
      customer: 'customer',
      default_payment_method: 'payment_method',
      default_source: NONE,
      discounts: NONE,
      latest_revision: NONE,
      lines: 'list:line_item',
      on_behalf_of: NONE,
      payments: NONE,
      test_clock: NONE,
    },
    payment_method: { customer: 'customer' },
    line_item: { discounts: NONE, subscription: NONE },
  }).map(([kind, fields]) => [kind, new Map(Object.entries(fields))]),
);

/** Parts that are always there: paths lead through them, but do not end in them. */
const PARTS: readonly (string | undefined)[] = ['data', 'lines'];

const kindAt = (kind: string, step: string): string | undefined => {
  const [container, item] = kind.split(':');
  if (item === undefined) return EXPANDABLE.get(kind)?.get(step);
  if (step === 'data') return item;
  return container === 'search_result' && step === 'total_count' ? NONE : undefined;
};

/** Refuses paths that cannot be expanded in an answer of this kind: before anything is done, as it needs no object. */
export const checkPaths = (kind: string, paths: readonly string[]): void => {
  for (const path of paths) {
    const steps = path.split('.');
    if (steps.filter((step) => step !== 'data').length > 4) {
      throw invalid('You cannot expand more than 4 levels of a property.', { param: 'expand' });
    }
    let reached: string | undefined = kind;
    for (const step of steps) reached = reached && kindAt(reached, step);
    if (reached === undefined || PARTS.includes(steps.at(-1))) {
      throw invalid(`This property cannot be expanded (${path}).`, { param: 'expand' });
    }
  }
};

/**
 * Replaces references by the objects they name, along paths such as `data.latest_charge.refunds`, which `checkPaths` has
 * let pass. Works on a copy.
 */
export const expand = (object: object, paths: readonly string[], state: StripeState): Json => {
  const copy = structuredClone(object) as Json;
  for (const path of paths) expandPath(copy, path.split('.'), state);
  return copy;
};

const expandPath = (target: unknown, [step, ...rest]: readonly string[], state: StripeState): void => {
  if (step === undefined || !isObject(target)) return;
  if (EXPANDABLE.get(target['object'])?.has(step)) target[step] = resolve(target, step, state);
  const reached = target[step];
  for (const next of Array.isArray(reached) ? reached : [reached]) expandPath(next, rest, state);
};

const isObject = (value: unknown): value is Json => value !== null && typeof value === 'object';

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
