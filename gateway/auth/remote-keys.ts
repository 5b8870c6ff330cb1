import { setTimeout as delay } from 'node:timers/promises';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { isUpstreamError } from '../../connectors/errors.ts';
import { createHttpConnector } from '../../connectors/transports/http.ts';
import { parseJson } from '../../connectors/transports/parse.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import { HttpUrl } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import { AuthenticationUnavailableError } from './unavailable.ts';

/*
 * The public keys of an issuer, by OpenID Connect Discovery or from the URL of its JSON Web Key Set (RFC 7517).
 *
 * jose's own `createRemoteJWKSet` fails when the cache time is over and the issuer is down, fetches for every request during an
 * outage, and rejects tokens of a new key while it cools down from an unknown one.
 */

export type RemoteKeys = {
  /** Returns the key of a token. Throws AuthenticationUnavailableError, or an error of jose if there is no such key. */
  readonly getKey: JWTVerifyGetKey;
  /** Waits for a fetch that begins after `time`, by `monotonicNow`, whether it succeeds or not. */
  readonly refresh: (time: number) => Promise<void>;
  readonly close: () => Promise<void>;
};

export type RemoteKeysOptions = {
  readonly issuer: string;
  /** Default: found by discovery. */
  readonly jwksUrl?: string | undefined;
  readonly log: Log;
};

/** Age from which keys are refreshed in the background, in milliseconds. */
const REFRESH_AFTER_MS = 300_000;

/** Age from which requests wait for the refresh, in milliseconds, so that a removed key is not used after a quiet hour. */
const MAX_AGE_MS = 600_000;

/**
 * Time between two fetches, in milliseconds. Unknown key IDs cause no more than one fetch in this time. Tokens of a new key wait
 * for the next one and are not rejected.
 */
const MIN_INTERVAL_MS = 1_000;

const TIMEOUT_MS = 5_000;
const MAX_RESPONSE_BYTES = 256 * 1024;

/** Maximum number of requests that wait for one issuer. */
const MAX_WAITING = 1_000;

const Discovery = z.object({ issuer: z.string(), jwks_uri: HttpUrl });
const KeySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) });

/** Creates the keys of an issuer. They are fetched when the first token needs them, and kept while the issuer is down. */
export const createRemoteKeys = ({ issuer, jwksUrl, log }: RemoteKeysOptions): RemoteKeys => {
  const http = createHttpConnector({
    subgraph: 'issuer',
    timeoutMs: TIMEOUT_MS,
    maxResponseBytes: MAX_RESPONSE_BYTES,
    connections: 1,
  });
  let keys: ReturnType<typeof createLocalJWKSet> | undefined;
  let discoveredUrl: string | undefined;
  /** When the last fetch that succeeded began; the last one that ended; and the last one. */
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let settledAt = Number.NEGATIVE_INFINITY;
  let attemptedAt = Number.NEGATIVE_INFINITY;
  let isFailing = false;
  let running: Promise<void> | undefined;
  let waiting = 0;

  const get = async <Schema extends z.ZodType>(schema: Schema, operation: string, url: string) => {
    const { body } = await http.send({
      operation,
      method: 'GET',
      url,
      headers: { accept: 'application/json' },
      write: false,
    });
    return parseJson(schema, body, { subgraph: 'issuer', operation });
  };

  const discover = async (): Promise<string> => {
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const found = await get(Discovery, 'GET openid-configuration', url);
    // OpenID Connect Discovery, section 4.3.
    if (found.issuer !== issuer) throw new DiscoveryError('The discovery document names another issuer.');
    if (issuer.startsWith('https:') && !found.jwks_uri.startsWith('https:'))
      throw new DiscoveryError('The key set of an https issuer has no https URL.');
    return found.jwks_uri;
  };

  const fetchKeys = async (): Promise<void> => {
    try {
      discoveredUrl ??= jwksUrl ?? (await discover());
      keys = createLocalJWKSet((await get(KeySet, 'GET jwks', discoveredUrl)) as JSONWebKeySet);
      fetchedAt = attemptedAt;
      if (isFailing) log.warn({ issuer }, 'The keys of the issuer are available again.');
      isFailing = false;
    } catch (error) {
      // The key set may have moved.
      discoveredUrl = undefined;
      if (!isFailing) log.warn({ issuer, ...describe(error) }, 'The keys of the issuer cannot be fetched.');
      isFailing = true;
    }
  };

  const fetchOnce = (): Promise<void> => {
    running ??= (async () => {
      const pauseMs = attemptedAt + MIN_INTERVAL_MS - monotonicNow();
      if (pauseMs > 0) await delay(pauseMs, undefined, { ref: false });
      attemptedAt = monotonicNow();
      await fetchKeys();
      settledAt = attemptedAt;
      running = undefined;
    })();
    return running;
  };

  const wait = async (isOver: () => boolean): Promise<void> => {
    if (waiting >= MAX_WAITING) throw new AuthenticationUnavailableError();
    waiting += 1;
    try {
      do await fetchOnce();
      while (!isOver());
    } finally {
      waiting -= 1;
    }
  };

  const refresh = async (time: number): Promise<void> => {
    // A fetch that is under way may have begun before the key was published.
    if (settledAt < time) await wait(() => settledAt >= time);
  };

  return {
    refresh,
    getKey: async (header, token) => {
      const now = monotonicNow();
      const ageMs = now - fetchedAt;
      if (!keys || (ageMs > MAX_AGE_MS && !isFailing)) await wait(() => true);
      else if (ageMs > REFRESH_AFTER_MS) void fetchOnce();
      if (!keys) throw new AuthenticationUnavailableError();
      try {
        return await keys(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        await refresh(now);
        return keys(header, token);
      }
    },
    close: http.close,
  };
};

class DiscoveryError extends Error {}

const describe = (error: unknown): object => {
  if (!isUpstreamError(error)) return { why: error instanceof Error ? error.message : String(error) };
  const { code, message, details, cause } = error;
  return { code, status: details.status, why: (cause as { code?: unknown } | undefined)?.code ?? message };
};
