import { createKeyedTag } from '../../../connectors/reads/tag.ts';

/** Cache tags of the shop's data: readers attach them, mutations invalidate them. */
export const tags = {
  /** By SKU. */
  stock: createKeyedTag('stock'),
};
