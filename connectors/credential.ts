import { monotonicNow } from '../runtime/clock.ts';
import { mayRepeat } from '../telemetry/call-stats.ts';
import { untilAborted } from './abort.ts';
import type { RequestOptions } from './middleware/chain.ts';

/** A temporary credential issued by a provider, such as an OAuth access token or a SOAP session. */
export type CachedCredential = {
  /**
   * Runs `work` with the current credential. If the provider rejects the credential, acquires a new one and runs `work`
   * once more, as a repeat. This is safe for writes too: a rejected credential means that the provider did nothing.
   */
  readonly use: <T>(
    work: (credential: string, isRepeat: boolean) => Promise<T>,
    options?: RequestOptions,
  ) => Promise<T>;
};

export type Credential = {
  readonly value: string;
  /** Lifetime in milliseconds, counted from when the credential was requested. Omitted if the provider does not state one. */
  readonly expiresInMs?: number;
};

export type CachedCredentialOptions = {
  readonly subgraph: string;
  /** Gets a new credential from the provider. Shared by all callers, so it must not depend on any one caller's signal. */
  readonly acquire: () => Promise<Credential>;
  /** Whether an error thrown by `work` means that the provider rejected the credential. */
  readonly isRejected: (error: unknown) => boolean;
};

/** How long before its expiry a credential is replaced, in milliseconds. */
const RENEW_BEFORE_MS = 60_000;

type CurrentCredential = { readonly credential: Promise<Credential>; expiresAtMs: number };

/** Shares one credential between all callers. Concurrent callers wait for a single request for it. */
export const createCachedCredential = ({
  subgraph,
  acquire,
  isRejected,
}: CachedCredentialOptions): CachedCredential => {
  let current: CurrentCredential | undefined;

  const clear = (old: CurrentCredential) => {
    if (current === old) current = undefined;
  };

  const getCurrent = (): CurrentCredential => {
    if (current && current.expiresAtMs - RENEW_BEFORE_MS > monotonicNow()) return current;
    const requestedAtMs = monotonicNow();
    const fresh: CurrentCredential = { credential: acquire(), expiresAtMs: Number.POSITIVE_INFINITY };
    current = fresh;
    fresh.credential.then(
      ({ expiresInMs }) => {
        if (expiresInMs !== undefined) fresh.expiresAtMs = requestedAtMs + expiresInMs;
      },
      () => clear(fresh),
    );
    return fresh;
  };

  return {
    use: async (work, options = {}) => {
      const readValue = async ({ credential }: CurrentCredential) =>
        (await untilAborted(credential, { subgraph, operation: 'login', signal: options.signal })).value;
      const first = getCurrent();
      try {
        return await work(await readValue(first), false);
      } catch (error) {
        if (!isRejected(error)) throw error;
        clear(first);
        if (!mayRepeat(subgraph, options)) throw error;
        return await work(await readValue(getCurrent()), true);
      }
    },
  };
};
