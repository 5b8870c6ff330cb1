import type Stripe from 'stripe';
import type { Random } from '../random.ts';
import { invalid, missing } from './errors.ts';
import { expand } from './expand.ts';
import { toCustomer } from './objects.ts';
import type { Params } from './params.ts';
import { cancelPayment, capturePayment, createPayment, refundPayment } from './payments.ts';
import { parseSearch } from './search.ts';
import type { StripeState } from './state.ts';

export type Context = {
  readonly state: StripeState;
  readonly params: Params;
  readonly random: Random;
  readonly now: () => number;
  /** How long a new object stays out of the search index, in milliseconds. */
  readonly searchLagMs: number;
};

export type Route = {
  readonly method: 'GET' | 'POST';
  /** With `{id}` where the id stands. */
  readonly path: string;
  readonly params: readonly string[];
  readonly answer: (id: string, context: Context) => object;
};

const PAGE = ['limit', 'starting_after', 'created', 'expand'];
const SEARCH = ['query', 'limit', 'page', 'expand'];

/** The endpoints of the API that the stand-in has, with the parameters they take. */
export const ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/customers/search',
    params: SEARCH,
    answer: (_, context) =>
      search(context.state.customers, ['email', 'name', 'created'], '/v1/customers/search', context),
  },
  {
    method: 'GET',
    path: '/v1/customers',
    params: [...PAGE, 'email'],
    // Unlike the search, this filter minds capitals.
    answer: (_, context) => list(context.state.customers, ['email'], '/v1/customers', context),
  },
  {
    method: 'POST',
    path: '/v1/customers',
    params: ['email', 'name', 'phone', 'metadata', 'expand'],
    answer: (_, context) => createCustomer(context),
  },
  {
    method: 'GET',
    path: '/v1/customers/{id}',
    params: ['expand'],
    answer: (id, context) => one(context.state.customers, 'customer', id, context),
  },
  {
    method: 'GET',
    path: '/v1/payment_intents/search',
    params: SEARCH,
    answer: (_, context) =>
      search(
        context.state.paymentIntents,
        ['customer', 'status', 'created', 'currency', 'amount'],
        '/v1/payment_intents/search',
        context,
      ),
  },
  {
    method: 'GET',
    path: '/v1/payment_intents',
    params: [...PAGE, 'customer'],
    answer: (_, context) => list(context.state.paymentIntents, ['customer'], '/v1/payment_intents', context),
  },
  {
    method: 'POST',
    path: '/v1/payment_intents',
    params: [
      'amount',
      'currency',
      'customer',
      'description',
      'capture_method',
      'confirm',
      'payment_method',
      'automatic_payment_methods',
      'metadata',
      'expand',
    ],
    answer: (_, context) => expandOne(createPayment(context), context),
  },
  {
    method: 'GET',
    path: '/v1/payment_intents/{id}',
    params: ['expand'],
    answer: (id, context) => one(context.state.paymentIntents, 'payment_intent', id, context),
  },
  {
    method: 'POST',
    path: '/v1/payment_intents/{id}/capture',
    params: ['amount_to_capture', 'expand'],
    answer: (id, context) => expandOne(capturePayment(paymentIntent(id, context), context), context),
  },
  {
    method: 'POST',
    path: '/v1/payment_intents/{id}/cancel',
    params: ['cancellation_reason', 'expand'],
    answer: (id, context) => expandOne(cancelPayment(paymentIntent(id, context), context), context),
  },
  {
    method: 'GET',
    path: '/v1/refunds',
    params: [...PAGE, 'payment_intent', 'charge'],
    answer: (_, context) => list(context.state.refunds, ['payment_intent', 'charge'], '/v1/refunds', context),
  },
  {
    method: 'POST',
    path: '/v1/refunds',
    params: ['payment_intent', 'amount', 'reason', 'metadata', 'expand'],
    answer: (_, context) => expandOne(refundPayment(context), context),
  },
  {
    method: 'GET',
    path: '/v1/invoices',
    params: [...PAGE, 'customer', 'status'],
    answer: (_, context) => list(context.state.invoices, ['customer', 'status'], '/v1/invoices', context),
  },
  {
    method: 'GET',
    path: '/v1/invoices/{id}',
    params: ['expand'],
    answer: (id, context) => one(context.state.invoices, 'invoice', id, context),
  },
];

type Listed = { readonly id: string; readonly created: number };

const expandOne = (object: object, { params, state }: Context): object => expand(object, params.expand(), state);

const one = (objects: readonly Listed[], what: string, id: string, context: Context): object => {
  const found = objects.find((object) => object.id === id);
  if (!found) throw missing(what, id, 404, what === 'payment_intent' ? 'intent' : 'id');
  return expandOne(found, context);
};

const paymentIntent = (id: string, { state }: Context): Stripe.PaymentIntent => {
  const found = state.paymentIntents.find((intent) => intent.id === id);
  if (!found) throw missing('payment_intent', id, 404, 'intent');
  return found;
};

const list = (objects: readonly Listed[], filters: readonly string[], url: string, context: Context): object => {
  const { params } = context;
  const limit = params.integer('limit', { min: 1, max: 100 }) ?? 10;
  const [after, before] = [
    params.integer('created[gte]') ?? 0,
    params.integer('created[lt]') ?? Number.MAX_SAFE_INTEGER,
  ];
  const matching = objects.filter(
    (object) =>
      object.created >= after &&
      object.created < before &&
      filters.every((name) => {
        const wanted = params.text(name);
        return wanted === undefined || (object as Listed & Record<string, unknown>)[name] === wanted;
      }),
  );
  const cursor = params.text('starting_after');
  const start = cursor === undefined ? 0 : positionAfter(cursor, matching, objects);
  const data = matching.slice(start, start + limit);
  return expandOne({ object: 'list', url, has_more: start + limit < matching.length, data }, context);
};

const positionAfter = (id: string, matching: readonly Listed[], all: readonly Listed[]): number => {
  const cursor = all.find((object) => object.id === id);
  if (!cursor) throw missing('object', id, 400, 'starting_after');
  const position = matching.findIndex((object) => object.id === id);
  if (position >= 0) return position + 1;
  const older = matching.findIndex((object) => object.created < cursor.created);
  return older < 0 ? matching.length : older;
};

const search = (objects: readonly Listed[], fields: readonly string[], url: string, context: Context): object => {
  const { params, now, searchLagMs } = context;
  const matches = parseSearch(params.required('query'), fields);
  const limit = params.integer('limit', { min: 1, max: 100 }) ?? 10;
  const start = Number(Buffer.from(params.text('page') ?? '', 'base64url').toString() || 0);
  if (!Number.isInteger(start)) throw invalid('Invalid page.', { param: 'page' });
  const found = objects.filter((object) => object.created * 1000 + searchLagMs <= now() && matches(object));
  const hasMore = start + limit < found.length;
  return expandOne(
    {
      object: 'search_result',
      url,
      has_more: hasMore,
      next_page: hasMore ? Buffer.from(String(start + limit)).toString('base64url') : null,
      data: found.slice(start, start + limit),
    },
    context,
  );
};

const createCustomer = ({ state, params, random, now }: Context): object => {
  const customer = toCustomer({
    id: `cus_${random.token(14)}`,
    email: params.text('email') ?? null,
    name: params.text('name') ?? '',
    currency: null,
    balance: 0,
    createdAt: new Date(now()),
  });
  state.customers.unshift(customer);
  return customer;
};
