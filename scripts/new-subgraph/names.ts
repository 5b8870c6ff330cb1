import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildSchema } from 'graphql';
import { subgraphs } from '../../subgraphs/index.ts';

/** How a provider is spoken to. */
export const KINDS = ['rest', 'soap', 'graphql'] as const;
export type Kind = (typeof KINDS)[number];

/** What was asked for cannot be done; the message says why. */
export class UsageError extends Error {}

export type Names = {
  readonly kind: Kind;
  /** The subgraph: `loyalty`. */
  readonly name: string;
  /** Its type: `Loyalty`. */
  readonly Name: string;
  /** What is behind it: `bonus`, `Bonus`, `BONUS`. */
  readonly provider: string;
  readonly Provider: string;
  readonly PROVIDER: string;
  /** Where the subgraph listens as a container. */
  readonly port: number;
};

const WORD = /^[a-z][a-z0-9]{1,29}$/;

const isReserved = (word: string): boolean => {
  try {
    new Function(`const ${word} = 0;`);
    return false;
  } catch {
    return true;
  }
};

/** Makes the names of everything that is written. Throws UsageError where one cannot be used, or is there already. */
export const readNames = async ({
  root,
  name,
  provider,
  kind,
}: {
  root: string;
  name: string;
  provider: string;
  kind: Kind;
}): Promise<Names> => {
  for (const word of [name, provider]) {
    if (!WORD.test(word) || isReserved(word)) {
      throw new UsageError(`"${word}" cannot be a name: one word in small letters, please, such as loyalty.`);
    }
  }
  if (subgraphs.some((one) => one.name === name)) throw new UsageError(`There is a subgraph ${name} already.`);
  if (subgraphs.some((one) => one.provider.name === provider)) {
    throw new UsageError(`There is a subgraph over ${provider} already.`);
  }
  const Name = capitalized(name);
  const schema = buildSchema(await readFile(join(root, 'gateway/schema.graphql'), 'utf8'));
  const isTaken = schema.getType(Name) ?? schema.getQueryType()?.getFields()[name];
  if (isTaken) throw new UsageError(`The graph has a ${Name} or a field ${name} already: take another name.`);
  return {
    kind,
    name,
    Name,
    provider,
    Provider: capitalized(provider),
    PROVIDER: provider.toUpperCase(),
    port: Math.max(4_000, ...subgraphs.map(({ port }) => port)) + 1,
  };
};

const capitalized = (word: string): string => `${word[0]?.toUpperCase()}${word.slice(1)}`;
