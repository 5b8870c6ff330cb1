import { createKeyedTag } from '../../connectors/tag.ts';

/** What writes change of the shop: readers tag what they read with these, and mutations invalidate them. */
export const tags = {
  /** By SKU. */
  stock: createKeyedTag('stock'),
};
