import type { AnyProvider } from './define-provider.ts';
import type { Read, ReadKey, Reads } from './reads/read.ts';
import { secretsOf, variablesOf } from './settings.ts';

/** The facts of a read that its costs depend on. */
export type ReadFacts = Pick<Read<ReadKey, unknown>, 'batchSize' | 'requestsPerBatch' | 'operationOf'>;

/**
 * Describes a provider's reads without connecting to it, by the settings of `readPublicSettings`. Undefined if its client cannot
 * be created without its credentials.
 */
export const describeReads = (
  definition: AnyProvider,
  settings: Readonly<Record<string, unknown>>,
): ReadonlyMap<string, ReadFacts> | undefined => {
  const secrets = secretsOf(definition).map((variable) => nameOf(definition, variable));
  // A provider can have several kinds of credentials, of which it accepts only one.
  for (const some of subsetsOf(secrets)) {
    const placeholders = Object.fromEntries(some.map((name) => [name, PLACEHOLDER]));
    try {
      const reads: Reads = definition.reads(definition.api(UNCONNECTED, { ...settings, ...placeholders }));
      return new Map(Object.entries(reads));
    } catch {
      // Other credentials may be the ones that it takes.
    }
  }
  return undefined;
};

/**
 * Reads a provider's settings that are not secret, for a process that may not call it. Those that the environment lacks have their
 * defaults, or a placeholder.
 */
export const readPublicSettings = (
  definition: AnyProvider,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, unknown>> => {
  const secrets = secretsOf(definition);
  return Object.fromEntries(
    Object.entries(variablesOf(definition).shape)
      .filter(([variable]) => !secrets.includes(variable))
      .map(([variable, schema]) => {
        const { success, data } = schema.safeParse(env[variable] || undefined);
        return [nameOf(definition, variable), success ? data : PLACEHOLDER];
      }),
  );
};

const nameOf = ({ envPrefix }: AnyProvider, variable: string): string => variable.slice(envPrefix.length + 1);

/** Returns all subsets, the empty one first. */
const subsetsOf = <Item>(items: readonly Item[]): Item[][] =>
  Array.from({ length: 2 ** items.length }, (_, bits) => items.filter((_item, index) => (bits >> index) % 2 === 1));

const PLACEHOLDER = 'placeholder';

/** A client that is never used. */
const UNCONNECTED: unknown = new Proxy(
  {},
  { get: () => () => Promise.reject(new Error('The client is not connected.')) },
);
