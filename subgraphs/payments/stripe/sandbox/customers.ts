import type Stripe from 'stripe';
import type { Context } from './context.ts';
import { change, record } from './events.ts';
import { toCustomer } from './objects.ts';

const TEXTS = ['email', 'name', 'phone', 'description'] as const;

/** Returns the customer fields that a request sets. */
const fieldsOf = ({ params }: Context, metadata: Stripe.Metadata): Partial<Stripe.Customer> => {
  const texts = TEXTS.flatMap((name) => {
    const value = params.clearable(name);
    return value === undefined ? [] : [[name, value]];
  });
  const balance = params.integer('balance', { min: Number.MIN_SAFE_INTEGER });
  return {
    ...(Object.fromEntries(texts) as Partial<Stripe.Customer>),
    metadata: params.metadata(metadata),
    ...(balance !== undefined && { balance }),
  };
};

/** `POST /v1/customers` */
export const createCustomer = (context: Context): Stripe.Customer => {
  const { state, random, now } = context;
  const fields = fieldsOf(context, {});
  const id = `cus_${random.token(14)}`;
  const customer = Object.assign(
    toCustomer({ id, email: null, name: null, currency: null, balance: 0, createdAt: new Date(now()) }),
    fields,
  );
  state.add('customers', customer);
  record('customer.created', customer, context);
  return customer;
};

/** `POST /v1/customers/{id}` */
export const updateCustomer = (customer: Stripe.Customer, context: Context): Stripe.Customer => {
  const before = change(customer, fieldsOf(context, customer.metadata));
  if (before) record('customer.updated', customer, context, before);
  return customer;
};
