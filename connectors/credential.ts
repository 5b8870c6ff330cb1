import { monotonicNow } from '../runtime/clock.ts';
import { untilAborted } from './abort.ts';
import type { CallOptions } from './middleware/chain.ts';

/** A credential that a provider hands out for a while: an OAuth access token, a SOAP session. */
export type SharedCredential = {
  /**
   * Runs `work` with the current credential. Where `work` fails because the provider no longer takes the credential,
   * a new one is obtained and `work` runs once more: the provider did nothing the first time, so this is safe for
   * writes too.
   */
  readonly use: <T>(work: (credential: string) => Promise<T>, options?: CallOptions) => Promise<T>;
};

export type Credential = {
  readonly value: string;
  /** For how long it is good, in milliseconds from the moment it was asked for. Left out where the provider does not say. */
  readonly expiresInMs?: number;
};

export type SharedCredentialOptions = {
  readonly upstream: string;
  /** Gets a new credential from the provider. Serves every caller, so it must not depend on any caller's signal. */
  readonly obtain: () => Promise<Credential>;
  /** Whether an error of `work` means that the credential is no longer taken. */
  readonly isRefused: (error: unknown) => boolean;
  /** How long before its expiry a credential is replaced, in milliseconds. Default one minute. */
  readonly renewBeforeMs?: number;
  readonly now?: () => number;
};

type Held = { readonly credential: Promise<Credential>; expiresAtMs: number };

/** Shares one credential between all callers: however many need it at once, one obtains it and the others wait. */
export const createSharedCredential = ({
  upstream,
  obtain,
  isRefused,
  renewBeforeMs = 60_000,
  now = monotonicNow,
}: SharedCredentialOptions): SharedCredential => {
  let held: Held | undefined;

  const forget = (old: Held) => {
    if (held === old) held = undefined;
  };

  const current = (): Held => {
    if (held && held.expiresAtMs - renewBeforeMs > now()) return held;
    const askedAtMs = now();
    const fresh: Held = { credential: obtain(), expiresAtMs: Number.POSITIVE_INFINITY };
    held = fresh;
    fresh.credential.then(
      ({ expiresInMs }) => {
        if (expiresInMs !== undefined) fresh.expiresAtMs = askedAtMs + expiresInMs;
      },
      () => forget(fresh),
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
        if (!isRefused(error)) throw error;
        forget(first);
        return await work(await readValue(current()));
      }
    },
  };
};
