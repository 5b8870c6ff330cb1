import { subgraphs } from '../../subgraphs/index.ts';
import type { Contract } from './contract.ts';

/** The contracts of all providers, each from the file of its name. */
export const CONTRACTS: readonly Contract[] = await Promise.all(
  subgraphs.map(async ({ provider: { name } }) => ((await import(`./${name}.ts`)) as { contract: Contract }).contract),
);
