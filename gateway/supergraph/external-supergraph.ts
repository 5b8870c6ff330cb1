import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { ConfigError, type Env, namesOfSet, readEach } from '../../runtime/env.ts';
import { createLog, type Log } from '../../runtime/log.ts';
import type { ProcessInfrastructure } from '../../subgraphs/kit/infrastructure.ts';
import { startTelemetry } from '../../telemetry/start.ts';
import { readinessProblem } from '../../telemetry/status/readiness.ts';
import { type GatewayConfig, readConfig } from '../config.ts';
import type { SupergraphSource } from '../execution/gateway.ts';
import { startGatewayServer } from '../http/server.ts';
import type { StartedGateway } from '../started-gateway.ts';
import { createRemoteTransport } from '../transports/remote.ts';
import type { Transport, Transports } from '../transports/transport.ts';
import { checkSpecifications, subgraphsOf } from './files.ts';
import { SupergraphError } from './supergraph-error.ts';

/* An external supergraph: a file that may change, with the URLs of its subgraphs. */

/** Starts the gateway for an external supergraph. Throws ConfigError if it cannot be served. */
export const startExternalSupergraph = async (env: Env, file: string): Promise<StartedGateway> => {
  // Loaded only with Redis, because its client is slow to load.
  const infrastructure =
    namesOfSet(['REDIS_URL'], env).length > 0 ? await import('../../subgraphs/kit/infrastructure.ts') : undefined;
  const [config] = readEach(
    () => readConfig(env, [], infrastructure?.REDIS_VARIABLES),
    () => infrastructure?.readInfrastructureConfig(env),
  );
  const log = createLog(config.logLevel);
  const supergraph = await openSupergraph(file, log);
  const names = [...subgraphsOf(supergraph.sdl).keys()];
  const problem = readinessProblem(config.readiness, names);
  if (problem) throw new ConfigError(problem);
  const { telemetry, tracing, metrics, report, close: closeTelemetry } = await startTelemetry(config, log);
  const { redis, health } =
    (await infrastructure?.createProcessInfrastructure(env, log, telemetry)) ?? NO_INFRASTRUCTURE;
  const transports = createExternalTransports(config, log);
  try {
    const sources = Object.fromEntries(names.map((name) => [name, 'remote' as const]));
    const server = await startGatewayServer({
      config,
      log,
      telemetry,
      tracing,
      supergraph,
      transports,
      redis,
      health,
      status: report && { report, sources },
    });
    return {
      url: server.url,
      config,
      sources,
      health: server.health,
      metrics,
      report: server.report,
      close: async () => {
        await server.close();
        await closeTelemetry();
        redis?.close();
      },
    };
  } catch (error) {
    await transports.close();
    await closeTelemetry();
    redis?.close();
    throw error instanceof SupergraphError ? cannotBeUsed(file, error.message) : error;
  }
};

const NO_INFRASTRUCTURE: Pick<ProcessInfrastructure, 'redis' | 'health'> = { redis: undefined, health: () => ({}) };

const cannotBeUsed = (file: string, why: string): ConfigError =>
  new ConfigError(`SUPERGRAPH: ${file} cannot be used: ${why.replace(/\.$/, '')}.`);

/** Reads and checks a supergraph file. Throws ConfigError. */
const readSupergraph = async (file: string): Promise<string> => {
  const sdl = await readFile(file, 'utf8').catch(() => {
    throw cannotBeUsed(file, 'it cannot be read');
  });
  let urls: ReadonlyMap<string, string>;
  try {
    urls = subgraphsOf(sdl);
    checkSpecifications(sdl);
  } catch (error) {
    throw cannotBeUsed(file, error instanceof Error ? error.message : String(error));
  }
  for (const [name, url] of urls) {
    if (!isHttpUrl(url)) throw cannotBeUsed(file, `the subgraph ${name} has no http or https URL`);
  }
  return sdl;
};

const isHttpUrl = (url: string): boolean => /^https?:$/.test(URL.parse(url)?.protocol ?? '');

// Polled: file events miss Kubernetes symlink swaps.
const LOOK_EVERY_MS = 500;

/** Reads a supergraph file and watches it. An unusable change is logged and ignored. Throws ConfigError. */
export const openSupergraph = async (file: string, log: Log): Promise<SupergraphSource> => ({
  sdl: await readSupergraph(file),
  watch: (change) => {
    const look = async (): Promise<void> => {
      try {
        await change(await readSupergraph(file));
        log.info({ file }, 'The supergraph has changed.');
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        log.error({ file, why }, 'The changed supergraph cannot be used; the one before stays.');
      }
    };
    const listener = () => void look();
    watchFile(file, { interval: LOOK_EVERY_MS }, listener);
    return () => unwatchFile(file, listener);
  },
});

/**
 * Creates the transports to the subgraphs of an external supergraph. A transport that the latest version does not use
 * is closed after the request timeout.
 */
export const createExternalTransports = (config: GatewayConfig, log: Log): Transports => {
  const open = new Map<string, Transport>();
  const keyOf = (name: string, url: string): string => `${name} ${url}`;
  return {
    of: (sdl) => {
      const urls = subgraphsOf(sdl);
      const wanted = new Set([...urls].map(([name, url]) => keyOf(name, url)));
      for (const [key, transport] of open) {
        if (wanted.has(key)) continue;
        open.delete(key);
        // Running requests may still use it.
        setTimeout(() => void transport.close(), config.requestTimeoutMs).unref();
      }
      for (const [name, url] of urls) {
        const key = keyOf(name, url);
        if (!open.has(key)) open.set(key, createRemoteTransport(config.remote(name, url), log));
      }
      return (name) => open.get(keyOf(name, urls.get(name) ?? '')) as Transport;
    },
    close: async () => {
      await Promise.all([...open.values()].map((transport) => transport.close()));
    },
  };
};
