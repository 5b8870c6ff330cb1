import type { ProviderDefinition } from '../../connectors/define-provider.ts';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import type { Connection, Readers } from '../../connectors/provider.ts';
import type { Reads } from '../../connectors/reads/read.ts';
import { createLoaders, type LoadersOf } from './loader.ts';

/** One client request's view of a provider. */
export type Session<Api, Definitions extends Reads> = Connection<Api, Definitions> & {
  /** Options to pass with every provider request. */
  readonly options: RequestOptions;
  readonly loaders: LoadersOf<Readers<Definitions>>;
};

/** The type of a session, from its provider's definition. */
export type SessionOf<Definition> =
  // biome-ignore lint/suspicious/noExplicitAny: any settings and client
  Definition extends ProviderDefinition<any, any, any, infer Api, infer Definitions>
    ? Session<Api, Definitions extends Reads ? Definitions : never>
    : never;

/** Creates a session. Invalidating it also clears its loaders. */
export const createSession = <Api, Definitions extends Reads>(
  connection: Connection<Api, Definitions>,
  options: RequestOptions,
): Session<Api, Definitions> => {
  const loaders = createLoaders(connection.readers, options);
  return {
    ...connection,
    options,
    loaders,
    invalidate: async (changes) => {
      connection.reportWrite(changes);
      await connection.invalidate(changes);
      for (const loader of Object.values<{ readonly clearAll: () => void }>(loaders)) loader.clearAll();
    },
  };
};
