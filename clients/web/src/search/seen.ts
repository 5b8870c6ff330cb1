import { ApolloLink, makeVar } from '@apollo/client';
import { useReactiveVar } from '@apollo/client/react';
import { tap } from 'rxjs';
import { nameOf } from '../customers/names.ts';
import type { CustomerRowFragment } from '../generated/graphql.ts';
import { fold } from './fold.ts';

/** A payment or deal of a customer that was open. */
export type SeenItem = {
  readonly id: string;
  readonly title: string;
  readonly customerId: string;
};

type Entry<Item> = { readonly item: Item; readonly text: string };

/*
 * All data that this page has loaded, for searches that the graph does not offer: companies, orders, names without
 * accents.
 */
const customers = new Map<string, Entry<CustomerRowFragment>>();
const items = new Map<string, Entry<SeenItem>>();
const version = makeVar(0);

/** Records every customer, payment and deal in every response. */
export const seenLink = new ApolloLink((operation, forward) =>
  forward(operation).pipe(
    tap(({ data }) => {
      note(data, undefined);
      version(version() + 1);
    }),
  ),
);

type Json = { readonly [key: string]: unknown };

const note = (value: unknown, owner: string | undefined): void => {
  if (typeof value !== 'object' || value === null) return;
  const object = value as Json;
  const { __typename: type, id } = object;
  let customer = owner;
  if (typeof id === 'string') {
    if (type === 'Customer') {
      customer = id;
      noteCustomer(object as CustomerRowFragment & Json);
    }
    if (owner && type === 'Payment') noteItem(`payment ${id}`, id, object['description'], owner, object);
    if (owner && type === 'Deal') noteItem(`deal ${id}`, id, object['name'], owner, object);
  }
  for (const child of Object.values(object)) note(child, customer);
};

const noteCustomer = (found: CustomerRowFragment & Json): void => {
  const { id } = found;
  // A page of payments has only the customer's id.
  const item = { ...customers.get(id)?.item, ...found };
  if ('firstName' in item) customers.set(id, { item, text: textOf(item, CUSTOMER_FIELDS) });
};

const noteItem = (key: string, id: string, title: unknown, customerId: string, object: Json): void => {
  items.set(key, {
    item: { id, title: typeof title === 'string' && title !== '' ? title : key, customerId },
    text: `${key} ${textOf(object, ITEM_FIELDS)}`,
  });
};

const CUSTOMER_FIELDS: ReadonlySet<string> = new Set([
  'id',
  'firstName',
  'lastName',
  'email',
  'phone',
  'name',
  'domain',
]);
const ITEM_FIELDS: ReadonlySet<string> = new Set(['id', 'description', 'name', 'sku']);

/** A customer's lists, whose items have entries of their own. */
const LISTS: ReadonlySet<string> = new Set(['payments', 'deals']);

/** Returns the displayed text of an object, folded. */
const textOf = (value: object, fields: ReadonlySet<string>): string =>
  Object.entries(value)
    .flatMap(([key, child]: [string, unknown]) => {
      if (typeof child === 'string') return fields.has(key) ? [fold(child)] : [];
      if (typeof child !== 'object' || child === null || LISTS.has(key)) return [];
      return [textOf(child, fields)];
    })
    .join(' ');

const matching = <Item>(entries: ReadonlyMap<string, Entry<Item>>, words: readonly string[]): Item[] =>
  [...entries.values()].filter(({ text }) => words.every((word) => text.includes(word))).map(({ item }) => item);

/** Returns the loaded data that contain all words of a search; nothing for an empty search. */
export const useSeen = (search: string) => {
  useReactiveVar(version);
  const words = fold(search).split(/\s+/).filter(Boolean);
  const isEmpty = words.length === 0;
  return {
    count: customers.size,
    customers: isEmpty ? [] : matching(customers, words),
    items: isEmpty ? [] : matching(items, words),
  };
};

/** Returns the name of a customer; empty if it was not loaded. */
export const seenName = (customerId: string): string => {
  const seen = customers.get(customerId);
  return seen ? nameOf(seen.item) : '';
};
