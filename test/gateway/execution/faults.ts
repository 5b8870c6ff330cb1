import { createRandom } from '../../helpers/random-operation.ts';
import type { Faults } from './fixture-graph.ts';

/** Returns a number from 0 to 1 that depends on the seed and the text alone. */
export const luckOf = (seed: number, text: string): number => {
  const luck = createRandom(seed).below(1e9) + [...text].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 1e12, 7);
  return createRandom(luck % 2_147_483_647).next();
};

/** Decides which fields fail for a seed. For half of the seeds none does. */
export const createFieldFaults = (seed: number): Faults => {
  if (seed % 2 === 0) return () => undefined;
  return (type, id, field) => {
    const share = luckOf(seed, `${type} ${id} ${field}`);
    return share < 0.03 ? 'error' : share < 0.05 ? 'null' : undefined;
  };
};
