import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { SubgraphModule } from '../../subgraphs/kit/subgraph.ts';
import { ROOT } from './root.ts';

/*
 * Loads the current code of the subgraphs. Node caches modules forever, so each load adds its number to their URLs. Reloads
 * `subgraphs/index.ts` and the subgraphs' folders, but not the kit, because the gateway shares its objects.
 */

const SUBGRAPHS = pathToFileURL(join(ROOT, 'subgraphs/')).href;

/** Whether a module is reloaded. Sandboxes are not: they keep running with their data. */
const isReloaded = (url: string): boolean =>
  url.startsWith(SUBGRAPHS) && /^(index\.ts$|(?!kit\/)[\w-]+\/(?![\w-]+\/sandbox\/))/.test(url.slice(SUBGRAPHS.length));

let load = 0;

registerHooks({
  resolve: (specifier, context, next) => {
    const resolved = next(specifier, context);
    return load > 0 && isReloaded(resolved.url) ? { ...resolved, url: `${resolved.url}?load=${load}` } : resolved;
  },
});

/** Loads all subgraphs from the code on disk. Throws Node's error for code that cannot be loaded. */
export const loadSubgraphs = async (): Promise<readonly SubgraphModule[]> => {
  load += 1;
  const { subgraphs } = (await import(`${SUBGRAPHS}index.ts`)) as { subgraphs: readonly SubgraphModule[] };
  return subgraphs;
};
