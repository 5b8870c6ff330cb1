import type { ProviderDefinition } from '../../connectors/define-provider.ts';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import type { Connection, Readers } from '../../connectors/provider.ts';
import type { Reads } from '../../connectors/reads/read.ts';
import { createLoaders, type LoadersOf } from './loader.ts';

/** One client request's view of a provider. */
export type Session<Api, Definitions extends Reads> = Connection<Api, Definitions> & {
  /** To be passed on whole with every request to the provider. */
  readonly options: RequestOptions;
  readonly loaders: LoadersOf<Readers<Definitions>>;
};

/** The session of a provider's definition. */
export type SessionOf<Definition> =
  // biome-ignore lint/suspicious/noExplicitAny: whatever its settings and client are
  Definition extends ProviderDefinition<any, any, any, infer Api, infer Definitions>
    ? Session<Api, Definitions extends Reads ? Definitions : never>
    : never;

/** Opens a session. Loaders forget what they have loaded when it is invalidated. */
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
      await connection.invalidate(changes);
      for (const loader of Object.values<{ readonly clearAll: () => void }>(loaders)) loader.clearAll();
    },
  };
};
