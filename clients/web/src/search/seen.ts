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
 * Everything that this page has loaded, for what the graph has no search for: companies, orders, names without their
 * accents.
 */
const customers = new Map<string, Entry<CustomerRowFragment>>();
const items = new Map<string, Entry<SeenItem>>();
const version = makeVar(0);

/** Notes every customer, payment and deal of every answer. */
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
  // A page of payments has a customer's id alone.
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

/** The lists of a customer, which have entries of their own. */
const LISTS: ReadonlySet<string> = new Set(['payments', 'deals']);

/** What of an object is on the screen as text, folded. */
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

/** What of everything loaded so far has all words of a search; nothing for an empty search. */
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

/** The name of a customer, where it was loaded. */
export const seenName = (customerId: string): string => {
  const seen = customers.get(customerId);
  return seen ? nameOf(seen.item) : '';
};
