import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { print } from 'graphql';
import { z } from 'zod';
import type { ClientExplanation } from '../../gateway/cost/client-explanation.ts';
import { assumeVariables, formatAssumed } from './assume-variables.ts';
import { type CommittedOperation, readCommittedOperations } from './committed-operations.ts';
import { DocumentError, validateOperation } from './documents.ts';
import { startEstimatingGateway } from './estimating-gateway.ts';
import { explain, readSchema } from './explain.ts';

/** The file with the costs of the committed operations. */
export const COSTS_FILE = 'operations-cost.json';

/** Provider calls by subgraph. */
const Calls = z.record(z.string(), z.number());

const OperationCosts = z.object({
  /** Example values of variables. */
  examples: z.record(z.string(), z.unknown()).optional(),
  /** Assumed values of variables with neither an example nor a default. */
  assumed: z.record(z.string(), z.string()).optional(),
  /** The worst case, with the repeats of failed calls. */
  atMost: Calls,
  /** Calls expected without cached values and measurements. */
  expected: Calls,
});

/** What an operation costs, and with which variables. */
export type OperationCosts = z.infer<typeof OperationCosts>;

/** Costs by the keys of operations. */
export type AllCosts = ReadonlyMap<string, OperationCosts>;

const CostsFile = z.object({ operations: z.record(z.string(), OperationCosts) });

/** Estimates all committed operations. Throws DocumentError. */
export const estimateCommitted = async (root: string): Promise<AllCosts> => {
  const operations = await readCommittedOperations(root);
  const gateway = await startEstimatingGateway();
  try {
    const endpoint = { url: `${gateway.url}/graphql`, headers: {} };
    const schema = await readSchema(endpoint);
    if (!schema) throw new Error('The gateway does not return its schema.');
    const costs = new Map<string, OperationCosts>();
    for (const operation of operations) {
      const { key, definition, document, examples } = operation;
      requireNone(operation, validateOperation(schema, operation));
      const assumed = assumeVariables(schema, definition, examples);
      const explained = await explain(endpoint, { query: print(document), variables: { ...assumed, ...examples } });
      if (explained.errors) requireNone(operation, explained.errors);
      else costs.set(key, toCosts(explained.explanation, examples, assumed));
    }
    return costs;
  } finally {
    await gateway.close();
  }
};

const requireNone = ({ key }: CommittedOperation, errors: readonly string[]): void => {
  if (errors.length > 0) throw new DocumentError(`${key} cannot be estimated: ${errors.join(' ')}`);
};

const toCosts = (
  { providers }: ClientExplanation,
  examples: OperationCosts['examples'] & object,
  assumed: Readonly<Record<string, unknown>>,
): OperationCosts => {
  const bySubgraph = (figure: 'atMost' | 'expected') =>
    Object.fromEntries(providers.map((one) => [one.subgraph, one[figure]]).sort());
  return {
    ...(Object.keys(examples).length > 0 && { examples }),
    ...(Object.keys(assumed).length > 0 && {
      assumed: Object.fromEntries(Object.entries(assumed).map(([name, value]) => [name, formatAssumed(value)])),
    }),
    atMost: bySubgraph('atMost'),
    expected: bySubgraph('expected'),
  };
};

/** Reads the committed costs: none if there is no file. Throws DocumentError. */
export const readCosts = async (root: string): Promise<AllCosts> => {
  const text = await readFile(join(root, COSTS_FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '{"operations":{}}';
    throw error;
  });
  try {
    return new Map(Object.entries(CostsFile.parse(JSON.parse(text)).operations));
  } catch {
    throw new DocumentError(`${COSTS_FILE} cannot be read. Run \`npm run cost:check -- --write\` to write it again.`);
  }
};

/** Writes the costs, with one line for each operation and figure. */
export const writeCosts = (root: string, costs: AllCosts): Promise<void> =>
  writeFile(join(root, COSTS_FILE), `${JSON.stringify({ operations: Object.fromEntries(costs) }, null, 2)}\n`);
