import { z } from 'zod';
import type { FeedEvent } from '../../events/feed.ts';
import { badInput } from '../kit/errors.ts';
import { readInput } from '../kit/inputs.ts';
import { subscribeTo } from '../kit/subscribe-to.ts';
import type { Resolvers } from './generated.ts';
import type { Context, StockChanged } from './model.ts';
import { Sku } from './sku.ts';

const Skus = z.array(Sku).max(500, 'must be at most 500');

const SetStock = z.object({
  sku: Sku,
  // The shop stores four decimals.
  quantity: z
    .number()
    .refine(
      (quantity) => /^\d{1,8}(\.\d{1,4})?$/.test(String(quantity)),
      'must be 0 to 99999999 with up to four decimals',
    )
    .nullish(),
  inStock: z.boolean().nullish(),
});

export const resolvers: Resolvers = {
  Query: {
    product: (_, { sku }, { inventory }) => inventory.stock(readInput(Sku, sku, 'sku')),
    products: async (_, { skus }, { inventory }) => {
      const items = await inventory.stocks(readInput(Skus, skus, 'skus'));
      const [first] = items;
      // If all entries failed, report one error for the list. Otherwise each entry fails on its own.
      if (first instanceof Error && items.every((item) => item instanceof Error)) throw first;
      return items.map((item) => (item instanceof Error ? Promise.reject(item) : item));
    },
  },
  Mutation: {
    setStock: async (_, args, { inventory }) => {
      const { sku, quantity, inStock } = readInput(SetStock, args.input, 'input');
      const update = {
        quantity: quantity ?? undefined,
        isInStock: inStock ?? undefined,
        backorderPolicy: args.input.backorderPolicy ?? undefined,
      };
      if (Object.values(update).every((value) => value === undefined)) throw badInput('input', 'sets no field');
      return { product: await inventory.setStock(sku, update) };
    },
  },
  Subscription: {
    stockChanged: {
      subscribe: (_, { skus }, context) => {
        const wanted = skus && new Set(readInput(Skus, skus, 'skus'));
        return subscribeTo<Context, StockChanged>(
          context,
          'stockChanged',
          ({ sku }) => wanted?.has(sku) ?? true,
          wanted ? [...wanted] : 'all',
        );
      },
      resolve: ({ message: { sku } }: FeedEvent<StockChanged>, _: unknown, { inventory }: Context) =>
        inventory.stock(sku),
    },
  },
  Product: {
    __resolveReference: ({ sku }) => ({ sku }),
    name: ({ sku }, _, { inventory }) => inventory.name(sku),
    stock: ({ sku, stock }, _, { inventory }) =>
      stock instanceof Error ? Promise.reject(stock) : (stock ?? inventory.stock(sku)),
  },
  Stock: {
    // A negative quantity is the number of backordered items.
    quantity: ({ quantity }) => Math.max(0, quantity),
    inStock: ({ isInStock }) => isInStock,
    backorders: ({ quantity }) => Math.max(0, -quantity),
  },
};
