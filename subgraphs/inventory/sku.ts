import { z } from 'zod';

/** The longest SKU that a shop stores: the column is `varchar(64)`. */
const MAX_LENGTH = 64;

/**
 * A SKU in an input: 1 to 64 characters that an XML document can hold. One character that XML forbids makes the shop
 * refuse the whole message, and with it the keys of every other request that share it.
 */
export const Sku = z
  .string()
  .min(1, 'must not be empty')
  .max(MAX_LENGTH, `must have at most ${MAX_LENGTH} characters`)
  .regex(/^[^\p{Cc}\p{Cs}\uFFFE\uFFFF]+$/u, 'must have no control characters');

/** Whether a text can be a SKU. References from other subgraphs hold whatever somebody typed there. */
export const isSku = (text: string): boolean => Sku.safeParse(text).success;
