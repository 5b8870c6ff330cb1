import { z } from 'zod';
import { badInput } from '../kit/errors.ts';
import { readInput } from '../kit/inputs.ts';
import type { Resolvers } from './generated.ts';
import { API_BACKORDERS, toBackorders, toOnHand } from './openmage/mapping.ts';
import { setStock } from './openmage/set-stock.ts';
import { Sku } from './sku.ts';

const Skus = z.array(Sku).max(500, 'must be at most 500');

const SetStock = z.object({
  sku: Sku,
  // The shop keeps four decimals.
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
    product: async (_, { sku }, { loaders }) => loaders.stock.load(readInput(Sku, sku, 'sku')),
    products: async (_, { skus }, { loaders }) => {
      const items = await loaders.stock.loadMany(readInput(Skus, skus, 'skus'));
      const [first] = items;
      // The shop failed as a whole: one error for the list. Otherwise each entry fails at its own place.
      if (first instanceof Error && items.every((item) => item instanceof Error)) throw first;
      return items.map((item) => (item instanceof Error ? Promise.reject(item) : item));
    },
  },
  Mutation: {
    setStock: async (_, args, context) => {
      const { sku, quantity, inStock } = readInput(SetStock, args.input, 'input');
      const { backorderPolicy } = args.input;
      const update = {
        quantity: quantity ?? undefined,
        isInStock: inStock ?? undefined,
        backorders: backorderPolicy ? API_BACKORDERS[backorderPolicy] : undefined,
      };
      if (Object.values(update).every((value) => value === undefined)) throw badInput('input', 'changes nothing');
      return { product: await setStock(sku, update, context) };
    },
  },
  Product: {
    __resolveReference: ({ sku }) => ({ sku }),
    name: async ({ sku }, _, { loaders }) => (await loaders.catalogueEntry.load(sku))?.name ?? null,
    stock: ({ sku, stock }, _, { loaders }) =>
      stock instanceof Error ? Promise.reject(stock) : (stock ?? loaders.stock.load(sku)),
  },
  Stock: {
    quantity: ({ quantity }) => toOnHand(quantity),
    inStock: ({ isInStock }) => isInStock,
    backorders: ({ quantity }) => toBackorders(quantity),
  },
};
