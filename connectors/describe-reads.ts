import type { AnyProvider } from './define-provider.ts';
import type { Read, ReadKey, Reads } from './reads/read.ts';
import { secretsOf, variablesOf } from './settings.ts';

/** The facts of a read that its costs depend on. */
export type ReadFacts = Pick<Read<ReadKey, unknown>, 'batchSize' | 'requestsPerBatch' | 'operationOf'>;

/**
 * Describes a provider's reads without connecting to it. Settings that the environment lacks have their defaults; the process
 * that calls the provider may be another one.
 */
export const describeReads = (
  definition: AnyProvider,
  env: Readonly<Record<string, string | undefined>>,
): ReadonlyMap<string, ReadFacts> => new Map(Object.entries(readsOf(definition, env)));

const readsOf = (definition: AnyProvider, env: Readonly<Record<string, string | undefined>>): Reads => {
  const settings = Object.fromEntries(
    Object.entries(variablesOf(definition).shape).map(([variable, schema]) => {
      const { success, data } = schema.safeParse(env[variable] || undefined);
      return [variable.slice(definition.envPrefix.length + 1), success ? data : PLACEHOLDER];
    }),
  );
  // A provider can have several kinds of credentials, of which it accepts only one.
  for (const secret of secretsOf(definition)) {
    const name = secret.slice(definition.envPrefix.length + 1);
    try {
      return definition.reads(definition.api(UNCONNECTED, { ...settings, [name]: PLACEHOLDER }));
    } catch {}
  }
  throw new Error(`The reads of ${definition.name} cannot be described.`);
};

const PLACEHOLDER = 'placeholder';

/** A client that is never used. */
const UNCONNECTED: unknown = new Proxy(
  {},
  { get: () => () => Promise.reject(new Error('The client is not connected.')) },
);
