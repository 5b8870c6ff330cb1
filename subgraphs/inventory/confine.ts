import { refuseWrite } from '../kit/own.ts';
import type { Context } from './model.ts';

/** Confines the shop to what a customer may do: read. Products belong to nobody; a scope decides who sees their stock. */
export const confine = ({ inventory }: Context): Context => ({
  inventory: { stock: inventory.stock, stocks: inventory.stocks, name: inventory.name, setStock: refuseWrite },
});
