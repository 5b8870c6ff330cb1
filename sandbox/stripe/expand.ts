import { invalid } from './errors.ts';
import type { StripeState } from './state.ts';

type Json = Record<string, unknown>;

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

const expandPath = (target: Json, [step, ...rest]: readonly string[], path: string, state: StripeState): void => {
  if (step === undefined) return;
  if (step === 'data' && Array.isArray(target['data'])) {
    for (const item of target['data']) expandPath(item as Json, rest, path, state);
    return;
  }
  if (step === 'refunds' && target['object'] === 'charge') {
    target[step] ??= refundsOf(target, state);
    return;
  }
  if (!(step in target)) throw invalid(`This property cannot be expanded (${path}).`, { param: 'expand' });
  const value = target[step];
  if (typeof value === 'string') target[step] = structuredClone(find(value, state));
  const expanded = target[step];
  if (expanded !== null && typeof expanded === 'object') expandPath(expanded as Json, rest, path, state);
};

const find = (id: string, { customers, paymentIntents, charges }: StripeState): unknown =>
  charges.get(id) ?? [...customers, ...paymentIntents].find((object) => object.id === id) ?? id;

// The latest ten, as the provider includes them.
const refundsOf = (charge: Json, { refunds }: StripeState): unknown => {
  const all = refunds.filter((refund) => refund.charge === charge['id']);
  return {
    object: 'list',
    data: all.slice(0, 10),
    has_more: all.length > 10,
    url: `/v1/charges/${charge['id']}/refunds`,
  };
};
