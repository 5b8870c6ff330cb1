import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { SubgraphModule } from '../../subgraphs/kit/subgraph.ts';
import { ROOT } from './root.ts';

/*
 * Loads the code of the subgraphs as it is now. What Node has loaded it never forgets, so each load asks for its files under
 * new names: with the load's number behind them. The kit that subgraphs stand on stays, because objects of it are shared
 * with the gateway; what is loaded again are the list and the folders of the domains.
 */

const SUBGRAPHS = pathToFileURL(join(ROOT, 'subgraphs/')).href;

/** The list and the folders of the domains. The sandboxes go on as they run: what was written to them stays. */
const isReloaded = (url: string): boolean =>
  url.startsWith(SUBGRAPHS) && /^(index\.ts$|(?!kit\/)[\w-]+\/(?![\w-]+\/sandbox\/))/.test(url.slice(SUBGRAPHS.length));

let load = 0;

registerHooks({
  resolve: (specifier, context, next) => {
    const resolved = next(specifier, context);
    return load > 0 && isReloaded(resolved.url) ? { ...resolved, url: `${resolved.url}?load=${load}` } : resolved;
  },
});

/** Every subgraph, by the code that is on the disk now. Throws what Node says of code that it cannot load. */
export const loadSubgraphs = async (): Promise<readonly SubgraphModule[]> => {
  load += 1;
  const { subgraphs } = (await import(`${SUBGRAPHS}index.ts`)) as { subgraphs: readonly SubgraphModule[] };
  return subgraphs;
};
