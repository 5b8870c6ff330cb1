import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildSchema } from 'graphql';
import { subgraphs } from '../../subgraphs/index.ts';

/** The kinds of provider APIs. */
export const KINDS = ['rest', 'soap', 'graphql'] as const;
export type Kind = (typeof KINDS)[number];

/** Invalid arguments. The message says what is wrong. */
export class UsageError extends Error {}

export type Names = {
  readonly kind: Kind;
  /** The subgraph's name: `loyalty`. */
  readonly name: string;
  /** Its GraphQL type: `Loyalty`. */
  readonly Name: string;
  /** The provider's name: `bonus`, `Bonus`, `BONUS`. */
  readonly provider: string;
  readonly Provider: string;
  readonly PROVIDER: string;
  /** The port of the subgraph's container. */
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

/** Derives all names in the created files. Throws UsageError if a name is invalid or taken. */
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
      throw new UsageError(`"${word}" is not a valid name. Use one lower-case word, such as loyalty.`);
    }
  }
  if (subgraphs.some((subgraph) => subgraph.name === name))
    throw new UsageError(`The subgraph ${name} already exists.`);
  if (subgraphs.some((subgraph) => subgraph.provider.name === provider)) {
    throw new UsageError(`A subgraph over ${provider} already exists.`);
  }
  const Name = capitalized(name);
  const schema = buildSchema(await readFile(join(root, 'gateway/schema.graphql'), 'utf8'));
  const isTaken = schema.getType(Name) ?? schema.getQueryType()?.getFields()[name];
  if (isTaken) throw new UsageError(`The graph already has a type ${Name} or a field ${name}. Use another name.`);
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
