import { monotonicNow } from '../runtime/clock.ts';
import { untilAborted } from './abort.ts';
import type { RequestOptions } from './middleware/chain.ts';

/** A credential that a provider hands out for a while: an OAuth access token, a SOAP session. */
export type CachedCredential = {
  /**
   * Runs `work` with the current credential. Where `work` fails because the provider no longer takes the credential,
   * a new one is obtained and `work` runs once more: the provider did nothing the first time, so this is safe for
   * writes too.
   */
  readonly use: <T>(work: (credential: string) => Promise<T>, options?: RequestOptions) => Promise<T>;
};

export type Credential = {
  readonly value: string;
  /** For how long it is good, in milliseconds from the moment it was asked for. Left out where the provider does not say. */
  readonly expiresInMs?: number;
};

export type CachedCredentialOptions = {
  readonly upstream: string;
  /** Gets a new credential from the provider. Serves every caller, so it must not depend on any caller's signal. */
  readonly acquire: () => Promise<Credential>;
  /** Whether an error of `work` means that the credential is no longer taken. */
  readonly isRejected: (error: unknown) => boolean;
  /** How long before its expiry a credential is replaced, in milliseconds. Default one minute. */
  readonly renewBeforeMs?: number;
  readonly now?: () => number;
};

type Held = { readonly credential: Promise<Credential>; expiresAtMs: number };

/** Shares one credential between all callers: however many need it at once, one obtains it and the others wait. */
export const createCachedCredential = ({
  upstream,
  acquire,
  isRejected,
  renewBeforeMs = 60_000,
  now = monotonicNow,
}: CachedCredentialOptions): CachedCredential => {
  let held: Held | undefined;

  const clear = (old: Held) => {
    if (held === old) held = undefined;
  };

  const current = (): Held => {
    if (held && held.expiresAtMs - renewBeforeMs > now()) return held;
    const requestedAtMs = now();
    const fresh: Held = { credential: acquire(), expiresAtMs: Number.POSITIVE_INFINITY };
    held = fresh;
    fresh.credential.then(
      ({ expiresInMs }) => {
        if (expiresInMs !== undefined) fresh.expiresAtMs = requestedAtMs + expiresInMs;
      },
      () => clear(fresh),
    );
    return fresh;
  };

  return {
    use: async (work, { signal } = {}) => {
      const readValue = async ({ credential }: Held) =>
        (await untilAborted(credential, { upstream, operation: 'login', signal })).value;
      const first = current();
      try {
        return await work(await readValue(first));
      } catch (error) {
        if (!isRejected(error)) throw error;
        clear(first);
        return await work(await readValue(current()));
      }
    },
  };
};
