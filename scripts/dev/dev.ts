import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createServer } from 'vite';
import { withAdminEndpoints } from '../../gateway/start.ts';
import { type BundledGraphParts, startBundledGraph } from '../../gateway/supergraph/bundled-graph.ts';
import { CompositionError, updateSupergraphFiles } from '../../gateway/supergraph/compose.ts';
import { ConfigError, type Env } from '../../runtime/env.ts';
import type { Running } from '../../runtime/lifecycle.ts';
import { checkSchema, formatReport } from '../schema/check.ts';
import { formatError } from './format.ts';
import { loadSubgraphs } from './reload.ts';
import { ROOT } from './root.ts';
import { watchFiles } from './watch.ts';

const run = promisify(execFile);

// What a changed file requires; a file may require several things.
const isSchema = (file: string): boolean => /^subgraphs\/[^/]+\/schema\.graphql$|^supergraph\.yaml$/.test(file);
const isDocument = (file: string): boolean => /^clients\/.*\.graphql$|^clients\/codegen\.mjs$|^codegen\.ts$/.test(file);
const isSubgraph = (file: string): boolean => /^subgraphs\/(index\.ts$|[^/]+\/)/.test(file) && !isLoadedOnce(file);
const isLoadedOnce = (file: string): boolean =>
  /^subgraphs\/(kit\/|(main|config)\.ts$|[^/]+\/[^/]+\/sandbox\/).*\.ts$/.test(file);
const needsRestart = (file: string): boolean =>
  /^(gateway|runtime|connectors|sandbox|scripts)\/.*\.ts$/.test(file) || isLoadedOnce(file);

const log = (text: string): void => console.log(`${new Date().toLocaleTimeString('en-GB')} ${text}`);

/**
 * Starts the gateway and Vite's dev server, and applies changes: composes and checks schemas, generates types and hooks,
 * reloads subgraphs. If a change is invalid, reports it and keeps the previous version running. Throws ConfigError.
 */
export const startDev = async (env: Env): Promise<Running> => {
  // Files may have changed while this was not running.
  await updateFiles();
  let apply: (next: BundledGraphParts) => Promise<void> = async () => {};
  const gateway = await withAdminEndpoints(
    await startBundledGraph(env, (change) => {
      apply = change;
      return () => {};
    }),
  );
  const page = await createServer({
    configFile: join(ROOT, 'clients/web/vite.config.ts'),
    configLoader: 'native',
    server: {
      host: '127.0.0.1',
      ...(env['PORT'] === '0' && { port: 0 }),
      proxy: Object.fromEntries(['/graphql', '/auth', '/desk/config.json'].map((path) => [path, gateway.url])),
    },
    logLevel: 'warn',
  });
  await page.listen();

  const applyChanges = async (files: readonly string[]): Promise<void> => {
    const startMs = performance.now();
    const done: string[] = [];
    if (files.some(isSubgraph) || files.some(isSchema)) {
      const { supergraphSdl, outdated } = await updateSupergraphFiles({ check: false });
      if (outdated.length > 0) done.push('supergraph updated');
      await apply({ modules: await loadSubgraphs(), supergraphSdl });
      done.push('subgraphs reloaded');
    }
    if (done.length > 0) log(`${done.join(', ')} (${Math.round(performance.now() - startMs)} ms): ${files.join(', ')}`);
    if (files.some(isSchema)) await reportBreakingChanges();
    if (files.some(isSchema) || files.some(isDocument)) {
      await generate();
      log('types and hooks generated');
    }
  };

  // Files whose change failed are retried with the next change, which may contain the fix.
  let pending: readonly string[] = [];
  const watching = await watchFiles(ROOT, async (files) => {
    const restart = files.filter(needsRestart);
    if (restart.length > 0) log(`restart to apply the change of ${restart.join(', ')}`);
    pending = [...new Set([...pending, ...files])].sort();
    try {
      await applyChanges(pending);
      pending = [];
    } catch (error) {
      log(`change not applied:\n${formatError(error, ROOT)}`);
    }
  });
  console.log(
    [
      `The graph:             ${gateway.url}/graphql`,
      `The explorer:          ${gateway.url}/graphiql`,
      `The page, as you edit: ${page.resolvedUrls?.local[0]}`,
      ...(gateway.adminUrl ? [`Admin endpoints:       ${gateway.adminUrl}`] : []),
      'Watching subgraphs/, clients/ and supergraph.yaml.',
    ].join('\n'),
  );
  return {
    close: async () => {
      await watching.close();
      await page.close();
      await gateway.close();
    },
  };
};

const updateFiles = async (): Promise<void> => {
  try {
    await updateSupergraphFiles({ check: false });
  } catch (error) {
    if (!(error instanceof CompositionError)) throw error;
    throw new ConfigError(`The subgraphs do not compose.\n${error.message}`);
  }
};

/** Warns about breaking schema changes; `npm run schema:check` rejects them. */
const reportBreakingChanges = async (): Promise<void> => {
  const { text, fails } = formatReport(await checkSchema(ROOT, 'HEAD'), 'HEAD');
  if (fails) log(text);
};

const generate = async (): Promise<void> => {
  await run(process.execPath, [join(ROOT, 'node_modules/.bin/graphql-codegen'), '--config', 'codegen.ts'], {
    cwd: ROOT,
  });
};
