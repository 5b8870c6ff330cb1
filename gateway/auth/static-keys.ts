import type { KeyObject } from 'node:crypto';
import type { Log } from '../../runtime/log.ts';
import { watchPaths } from '../../runtime/watch-files.ts';
import type { AuthConfig } from './auth-config.ts';

type StaticKey = KeyObject | Uint8Array;

/** The keys of issuers that are configured, and not read from the issuer. */
export type StaticKeys = {
  readonly keyOf: (issuer: string) => StaticKey | undefined;
  readonly close: () => void;
};

/** Creates the keys. A changed file is read again; `onChange` is called after a key has been replaced. */
export const createStaticKeys = (
  { issuers, keyFiles }: Pick<AuthConfig, 'issuers' | 'keyFiles'>,
  { log, onChange }: { readonly log: Log; readonly onChange: () => void },
): StaticKeys => {
  const keys = new Map(issuers.map(({ issuer, staticKey }) => [issuer, staticKey]));
  const reload = (): boolean => {
    let isNew = false;
    for (const { issuer, staticKey } of keyFiles.readIssuers()) {
      const key = keys.get(issuer);
      // Whether an issuer's keys are configured, like all its other settings, needs a restart.
      if (!key || !staticKey || isSame(key, staticKey)) continue;
      keys.set(issuer, staticKey);
      isNew = true;
    }
    if (isNew) onChange();
    return isNew;
  };
  const { paths, variables } = keyFiles;
  const close = paths.length > 0 ? watchPaths(() => paths, { log, variables, reload }) : () => {};
  return { keyOf: (issuer) => keys.get(issuer), close };
};

const isSame = (one: StaticKey, other: StaticKey): boolean => {
  if (one instanceof Uint8Array || other instanceof Uint8Array) {
    return one instanceof Uint8Array && other instanceof Uint8Array && Buffer.compare(one, other) === 0;
  }
  return one.equals(other);
};
