import { createHash } from 'node:crypto';
import type { AnyChanges } from '../events/merge-changes.ts';
import type { Content, PolledValues, ValueListener } from '../events/poller/polled-values.ts';
import { monotonicNow } from '../runtime/clock.ts';
import type { AnyProvider } from './define-provider.ts';
import type { RequestOptions } from './middleware/chain.ts';
import type { Read, Reads } from './reads/read.ts';
import { type CommonSettings, detailsOf } from './settings.ts';

/** Connects a poller with the connection of the configured credential. */
export type PollHook = {
  /** Polls with this connection from now on. */
  readonly open: (api: unknown, reads: Reads) => void;
  /** Returns a read whose values are told to the poller, if it is the polled one. */
  readonly listenTo: (name: string, read: Reads[string]) => Reads[string] | undefined;
  readonly onWrite: (changes: AnyChanges) => void;
};

/** Provider requests of a poll, which no client waits for. They have as much time as two timeouts, as they may have to queue. */
const optionsOf = (signal: AbortSignal, timeoutMs: number): RequestOptions => ({
  signal,
  priority: { deadlineAt: monotonicNow() + 2 * timeoutMs, isBackground: true, flow: {} },
});

/** Creates the values that are polled. Undefined if the provider's definition has no poll. */
export const createPolledValues = (
  { poll, settings: definitions }: Pick<AnyProvider, 'poll' | 'settings'>,
  settings: Readonly<Record<string, unknown>> & Pick<CommonSettings<string>, 'timeoutMs'>,
): { readonly values: PolledValues; readonly hook: PollHook } | undefined => {
  if (!poll) return undefined;
  const { read: name, content, list } = poll;
  const listeners = new Set<ValueListener>();
  let connection: { readonly api: unknown; readonly read: Read<string, unknown, string> } | undefined;
  const open = () => {
    if (!connection) throw new Error('The connection is not open.');
    return connection;
  };
  const toContent = (value: unknown): Content =>
    value === undefined || value === null ? null : value instanceof Error ? value : content(value);
  const fetch = async (
    { read }: ReturnType<typeof open>,
    keys: readonly string[],
    options: RequestOptions,
  ): Promise<ReadonlyMap<string, Content>> => {
    const values = await read.fetch(keys, options);
    return new Map(keys.map((key) => [key, toContent(values.get(key))]));
  };
  return {
    values: {
      account: accountOf(definitions, settings),
      get batchSize() {
        return open().read.batchSize;
      },
      fetch: (keys, signal) => fetch(open(), keys, optionsOf(signal, settings.timeoutMs)),
      list: list && ((page, signal) => list(open().api, page, optionsOf(signal, settings.timeoutMs))),
      listen: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    hook: {
      open: (api, reads) => {
        connection = { api, read: reads[name] as Read<string, unknown, string> };
      },
      listenTo: (readName, read) =>
        readName !== name
          ? undefined
          : {
              ...read,
              fetch: async (keys: readonly string[], options: RequestOptions) => {
                const values = await read.fetch(keys, options);
                if (listeners.size > 0) {
                  const contents = new Map(keys.map((key) => [key, toContent(values.get(key))]));
                  for (const { onRead } of listeners) onRead(contents);
                }
                return values;
              },
            },
      onWrite: (changes) => {
        const scopes = changes[name];
        if (!Array.isArray(scopes)) return;
        for (const { onWrite } of listeners) onWrite(scopes as readonly string[]);
      },
    },
  };
};

/** Returns a digest of the credentials that are no secrets: the same when a secret is replaced. */
const accountOf = (definitions: AnyProvider['settings'], settings: Readonly<Record<string, unknown>>): string => {
  const values = Object.keys(definitions).flatMap((name) => {
    const { isCredential = false, isSecret = false } = detailsOf(definitions[name]);
    return isCredential && !isSecret ? [[name, settings[name] ?? null]] : [];
  });
  return createHash('sha256').update(JSON.stringify(values)).digest('base64url').slice(0, 16);
};
