import { z } from 'zod';
import { UpstreamError } from '../../connectors/errors.ts';
import { badInput } from '../errors.ts';
import { findOut } from '../find-out.ts';
import { readInput } from '../inputs.ts';
import type { Resolvers } from './generated.ts';
import { API_BACKORDERS, toBackorders, toOnHand } from './mapping.ts';

const Sku = z
  .string()
  .min(1, 'must not be empty')
  .max(64, 'must have at most 64 characters')
  .regex(/^[^\p{Cc}]+$/u, 'must have no control characters');

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
    setStock: async (_, args, { api, call, changed, loaders }) => {
      const { sku, quantity, inStock } = readInput(SetStock, args.input, 'input');
      const { backorderPolicy } = args.input;
      const update = {
        quantity: quantity ?? undefined,
        isInStock: inStock ?? undefined,
        backorders: backorderPolicy ? API_BACKORDERS[backorderPolicy] : undefined,
      };
      if (Object.values(update).every((value) => value === undefined)) throw badInput('input', 'changes nothing');
      try {
        await findOut(
          () => api.updateStock(sku, update, call),
          () => api.hasStock(sku, update, call),
        );
      } finally {
        // Also where it failed: it may have been carried out.
        await changed([['stock', sku]]);
        loaders.forgetAll();
      }
      const item = await loaders.stock.load(sku);
      if (!item) throw new UpstreamError('UPSTREAM_NOT_FOUND', 'inventory', 'goods that were just set are not there');
      return { product: item };
    },
  },
  Product: {
    __resolveReference: ({ sku }) => ({ sku }),
    name: async ({ sku }, _, { loaders }) => (await loaders.catalogueEntry.load(sku))?.name ?? null,
    stock: ({ sku }, _, { loaders }) => loaders.stock.load(sku),
  },
  Stock: {
    quantity: ({ quantity }) => toOnHand(quantity),
    inStock: ({ isInStock }) => isInStock,
    backorders: ({ quantity }) => toBackorders(quantity),
  },
};
