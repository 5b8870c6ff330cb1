import { z } from 'zod';

/** Maximum length of a SKU: the shop's column is `varchar(64)`. */
const MAX_LENGTH = 64;

/**
 * Schema of a SKU in an input: 1 to 64 characters that XML allows. One forbidden character would make the shop reject the
 * whole message, including the keys of all other client requests in it.
 */
export const Sku = z
  .string()
  .min(1, 'must not be empty')
  .max(MAX_LENGTH, `must have at most ${MAX_LENGTH} characters`)
  .regex(/^[^\p{Cc}\p{Cs}\uFFFE\uFFFF]+$/u, 'must have no control characters');

/** Whether a text can be a SKU. References from other subgraphs contain whatever was typed there. */
export const isSku = (text: string): boolean => Sku.safeParse(text).success;
