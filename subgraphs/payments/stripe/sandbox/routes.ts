import type { Context } from './context.ts';
import { createCustomer, updateCustomer } from './customers.ts';
import { missing } from './errors.ts';
import { expand } from './expand.ts';
import { type Listed, listPage, searchPage } from './pages.ts';
import { cancelPayment, capturePayment, createPayment, updatePayment } from './payments.ts';
import { createRefund, updateRefund } from './refunds.ts';
import type { Fields } from './search.ts';
import type { StripeState } from './state.ts';

export type Route = {
  readonly method: 'GET' | 'POST';
  /** The path, with `{id}` for the id. */
  readonly path: string;
  readonly params: readonly string[];
  /** The kind of the returned object, or `list:` or `search_result:` and the kind of its items. */
  readonly returns: string;
  readonly handle: (id: string, context: Context) => object;
};

type Kind = {
  readonly objects: (state: StripeState) => readonly Listed[];
  /** The name of such an object in errors; `param` is the parameter that they name. */
  readonly what: string;
  readonly param: string;
};

const CUSTOMERS: Kind = { objects: ({ customers }) => customers, what: 'customer', param: 'id' };
const PAYMENTS: Kind = { objects: ({ paymentIntents }) => paymentIntents, what: 'payment_intent', param: 'intent' };
const CHARGES: Kind = { objects: ({ charges }) => charges, what: 'charge', param: 'id' };
const REFUNDS: Kind = { objects: ({ refunds }) => refunds, what: 'refund', param: 'id' };
const INVOICES: Kind = { objects: ({ invoices }) => invoices, what: 'invoice', param: 'id' };
const EVENTS: Kind = { objects: ({ events }) => events, what: 'event', param: 'id' };

const CURSORS = ['limit', 'starting_after', 'ending_before', 'expand'];

const expandOne = (object: object, { params, state }: Context): object => expand(object, params.list('expand'), state);

const findOne = ({ objects, what, param }: Kind, id: string, { state }: Context): Listed => {
  const found = objects(state).find((object) => object.id === id);
  if (!found) throw missing(what, id, 404, param);
  return found;
};

const list = (path: string, kind: Kind, filters: readonly string[]): Route => ({
  method: 'GET',
  path,
  params: [...CURSORS, 'created', ...filters],
  returns: `list:${kind.what}`,
  handle: (_, context) => listPage(kind.objects(context.state), { what: kind.what, url: path, filters }, context),
});

const search = (path: string, kind: Kind, fields: Fields): Route => ({
  method: 'GET',
  path,
  params: ['query', 'limit', 'page', 'expand'],
  returns: `search_result:${kind.what}`,
  handle: (_, context) => searchPage(kind.objects(context.state), fields, path, context),
});

const retrieve = (path: string, kind: Kind): Route => ({
  method: 'GET',
  path,
  params: ['expand'],
  returns: kind.what,
  handle: (id, context) => expandOne(findOne(kind, id, context), context),
});

/** Creates the route of a list that belongs to one object. */
const sublist = (
  path: string,
  owner: Kind,
  what: string,
  itemsOf: (owner: Listed, state: StripeState) => readonly Listed[],
): Route => ({
  method: 'GET',
  path,
  params: CURSORS,
  returns: `list:${what}`,
  handle: (id, context) =>
    listPage(itemsOf(findOne(owner, id, context), context.state), { what, url: path.replace('{id}', id) }, context),
});

const create = (
  path: string,
  { what }: Kind,
  params: readonly string[],
  make: (context: Context) => object,
): Route => ({
  method: 'POST',
  path,
  params: [...params, 'metadata', 'expand'],
  returns: what,
  handle: (_, context) => expandOne(make(context), context),
});

/** Creates the route of a write to an existing object. */
const write = <Item extends Listed>(
  path: string,
  kind: Kind,
  params: readonly string[],
  change: (object: Item, context: Context) => object,
): Route => ({
  method: 'POST',
  path,
  params: [...params, 'expand'],
  returns: kind.what,
  handle: (id, context) => expandOne(change(findOne(kind, id, context) as Item, context), context),
});

const CUSTOMER_FIELDS = ['email', 'name', 'phone', 'description', 'balance'];

/** The endpoints of the sandbox, with their parameters. */
export const ROUTES: readonly Route[] = [
  search('/v1/customers/search', CUSTOMERS, { created: 'number', email: 'text', name: 'text', phone: 'text' }),
  // Unlike the search, this filter is case-sensitive.
  list('/v1/customers', CUSTOMERS, ['email']),
  create('/v1/customers', CUSTOMERS, CUSTOMER_FIELDS, createCustomer),
  retrieve('/v1/customers/{id}', CUSTOMERS),
  write('/v1/customers/{id}', CUSTOMERS, [...CUSTOMER_FIELDS, 'metadata'], updateCustomer),

  search('/v1/payment_intents/search', PAYMENTS, {
    amount: 'number',
    created: 'number',
    currency: 'token',
    customer: 'token',
    status: 'token',
  }),
  list('/v1/payment_intents', PAYMENTS, ['customer']),
  create(
    '/v1/payment_intents',
    PAYMENTS,
    [
      'amount',
      'currency',
      'customer',
      'description',
      'capture_method',
      'confirm',
      'payment_method',
      'automatic_payment_methods',
    ],
    createPayment,
  ),
  retrieve('/v1/payment_intents/{id}', PAYMENTS),
  write(
    '/v1/payment_intents/{id}',
    PAYMENTS,
    ['amount', 'currency', 'customer', 'description', 'metadata'],
    updatePayment,
  ),
  write('/v1/payment_intents/{id}/capture', PAYMENTS, ['amount_to_capture', 'metadata'], capturePayment),
  write('/v1/payment_intents/{id}/cancel', PAYMENTS, ['cancellation_reason'], cancelPayment),

  search('/v1/charges/search', CHARGES, {
    amount: 'number',
    created: 'number',
    currency: 'token',
    customer: 'token',
    disputed: 'token',
    refunded: 'token',
    status: 'token',
  }),
  list('/v1/charges', CHARGES, ['customer', 'payment_intent', 'transfer_group']),
  retrieve('/v1/charges/{id}', CHARGES),
  sublist('/v1/charges/{id}/refunds', CHARGES, 'refund', ({ id }, { refunds }) =>
    refunds.filter(({ charge }) => charge === id),
  ),

  list('/v1/refunds', REFUNDS, ['payment_intent', 'charge']),
  create('/v1/refunds', REFUNDS, ['payment_intent', 'charge', 'amount', 'reason'], createRefund),
  retrieve('/v1/refunds/{id}', REFUNDS),
  write('/v1/refunds/{id}', REFUNDS, ['metadata'], updateRefund),

  search('/v1/invoices/search', INVOICES, {
    created: 'number',
    currency: 'token',
    customer: 'token',
    number: 'text',
    status: 'token',
    total: 'number',
  }),
  list('/v1/invoices', INVOICES, ['customer', 'status', 'collection_method']),
  retrieve('/v1/invoices/{id}', INVOICES),
  sublist('/v1/invoices/{id}/lines', INVOICES, 'line_item', ({ id }, { invoices }) =>
    invoices.flatMap((invoice) => (invoice.id === id ? invoice.lines.data : [])),
  ),

  {
    method: 'GET',
    path: '/v1/events',
    params: [...CURSORS, 'created', 'type', 'types'],
    returns: 'list:event',
    handle: (_, context) => listEvents(context),
  },
  retrieve('/v1/events/{id}', EVENTS),
];

/** `GET /v1/events`; a type may end in `*` to match a prefix. */
const listEvents = (context: Context): object => {
  const { params, state } = context;
  const type = params.text('type');
  const wanted = type === undefined ? params.list('types') : [type];
  const isWanted = (one: string) =>
    wanted.some((pattern) => (pattern.endsWith('*') ? one.startsWith(pattern.slice(0, -1)) : one === pattern));
  const matches = (event: Listed) => wanted.length === 0 || isWanted((event as { type?: string }).type ?? '');
  return listPage(state.events, { what: 'event', url: '/v1/events', matches }, context);
};
