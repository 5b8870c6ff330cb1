import { rename } from 'node:fs/promises';
import { monotonicNow } from '../../runtime/clock.ts';
import { ConfigError } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import { createChain, type Position, START } from './chain.ts';
import { describeTorn, type OpenFile, openForAppend, rotatedName } from './file.ts';

/** The values of a record. `event` says what happened. */
export type AuditRecord = { readonly event: string; readonly [name: string]: unknown };

export type AuditLogOptions = {
  readonly file: string;
  /** The key of the chain's hashes. */
  readonly key?: string | undefined;
  /** The size from which a new file is begun, in bytes. */
  readonly maxBytes: number;
  /** Records that may wait to be written, as JSON. Further ones are dropped and counted. */
  readonly maxWaitingBytes?: number;
  /** Whether a committed record that cannot be written is kept and written later. */
  readonly keepsFailed: boolean;
  readonly log: Log;
};

export type AuditLog = {
  /** Writes a record soon. */
  readonly append: (record: AuditRecord) => void;
  /** Writes a record and flushes the disk's cache. Resolves to whether that succeeded. */
  readonly commit: (record: AuditRecord) => Promise<boolean>;
  /** Whether the last attempt to write succeeded. */
  readonly isWritable: () => boolean;
  /** The number of commits that failed and of records that were dropped. */
  readonly failures: () => number;
  readonly close: () => Promise<void>;
};

type CurrentFile = Omit<OpenFile, 'last'>;

/** A record that waits to be written. */
type Entry = { readonly values: object; readonly bytes: number; readonly settle?: (isWritten: boolean) => void };

const MAX_WAITING_BYTES = 8 * 1024 * 1024;
/** Time after which a disk that does not answer counts as unavailable. */
const COMMIT_TIMEOUT_MS = 5_000;
const LOG_EVERY_MS = 60_000;
const NOTHING = Buffer.alloc(0);

/**
 * Opens an append-only log of chained JSON lines. Throws ConfigError if the file cannot be opened or does not continue a chain.
 *
 * Records that arrive while others are written and flushed are written together. If the process is killed, committed records
 * are on disk; others may be missing. A file that ends with part of a line gets a record that accounts for it.
 */
export const openAuditLog = async (options: AuditLogOptions): Promise<AuditLog> => {
  const { file, maxBytes, maxWaitingBytes = MAX_WAITING_BYTES, keepsFailed, log } = options;
  const chain = createChain(options.key);
  let last: Position = START;
  let current: CurrentFile | undefined;
  let waiting: Entry[] = [];
  let waitingBytes = 0;
  let isWriting = false;
  let isClosed = false;
  let isWritable = true;
  let failures = 0;
  /** Records that were dropped since the last one was written. */
  let lost = 0;
  let loggedAt = Number.NEGATIVE_INFINITY;

  const reportFailure = (why: string, count = 1): void => {
    isWritable = false;
    failures += count;
    if (monotonicNow() - loggedAt < LOG_EVERY_MS) return;
    loggedAt = monotonicNow();
    log.error({ file, why, failures }, 'The audit log cannot be written.');
  };

  const openFile = async (): Promise<CurrentFile> => {
    const opened = await openForAppend(file, chain);
    // If records are missing from the file, the gap stays visible.
    if (opened.last && opened.last.sequence >= last.sequence) last = opened.last;
    return opened;
  };

  const rotate = async ({ handle }: CurrentFile): Promise<CurrentFile> => {
    await handle.datasync();
    await handle.close();
    current = undefined;
    await rename(file, rotatedName(file, last));
    return openFile();
  };

  const writeBatch = async (batch: readonly Entry[]): Promise<void> => {
    current ??= await openFile();
    if (current.size >= maxBytes && current.torn.length === 0 && current.isEnded) current = await rotate(current);
    const { handle, torn, isEnded } = current;
    const { nlink, size } = await handle.stat();
    // Otherwise records would be lost, or interleaved with another chain.
    if (nlink === 0) throw new Error('The file was removed.');
    if (size !== current.size) throw new Error('Another process has written to the file.');
    const dropped = lost;
    const records = [
      ...(torn.length > 0 ? [{ time: now(), event: 'log.recovered', torn: describeTorn(torn) }] : []),
      ...(dropped > 0 ? [{ time: now(), event: 'log.lost', records: dropped }] : []),
      ...batch.map(({ values }) => values),
    ];
    let position = last;
    let text = isEnded ? '' : '\n';
    for (const record of records) {
      const next = chain.append(position, record);
      text += next.line;
      position = next.position;
    }
    await handle.appendFile(text);
    if (batch.some(({ settle }) => settle)) await handle.datasync();
    current = { handle, size: size + Buffer.byteLength(text), torn: NOTHING, isEnded: true };
    last = position;
    lost -= dropped;
  };

  const writeAll = async (): Promise<void> => {
    // After a failure, only records that somebody waits for are tried at once.
    let hasFailed = false;
    while (hasFailed ? waiting.some(({ settle }) => settle) : waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await writeBatch(batch);
        hasFailed = false;
        if (!isWritable) log.warn({ file, failures }, 'The audit log is written again.');
        isWritable = true;
      } catch (error) {
        hasFailed = true;
        await current?.handle.close().catch(() => {});
        current = undefined;
        const kept = batch.flatMap(({ values, bytes, settle }) => (keepsFailed || !settle ? [{ values, bytes }] : []));
        waiting = [...kept, ...waiting];
        reportFailure(reasonOf(error), Math.max(1, batch.filter(({ settle }) => settle).length));
      }
      waitingBytes = waiting.reduce((sum, { bytes }) => sum + bytes, 0);
      for (const { settle } of batch) settle?.(!hasFailed);
    }
    isWriting = false;
  };

  const startWriting = (): void => {
    if (isWriting) return;
    isWriting = true;
    void writeAll();
  };

  const enqueue = (record: AuditRecord, settle?: Entry['settle']): boolean => {
    const values = { time: now(), ...record };
    const bytes = JSON.stringify(values).length;
    const hasRoom = !isClosed && waitingBytes + bytes <= maxWaitingBytes;
    if (hasRoom) {
      waiting.push({ values, bytes, ...(settle && { settle }) });
      waitingBytes += bytes;
    } else {
      reportFailure(isClosed ? 'The log is closed.' : 'Too many records wait to be written.');
      if (!settle || keepsFailed) lost += 1;
    }
    // Without room too: perhaps the file can be written again.
    if (!isClosed) startWriting();
    return hasRoom;
  };

  const commit = async (record: AuditRecord): Promise<boolean> => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    if (!enqueue(record, resolve)) return false;
    const timer = setTimeout(() => {
      reportFailure('The disk does not answer.');
      resolve(false);
    }, COMMIT_TIMEOUT_MS);
    return promise.finally(() => clearTimeout(timer));
  };

  try {
    current = await openFile();
  } catch (error) {
    throw new ConfigError(`AUDIT_LOG: ${file} cannot be used: ${reasonOf(error)}.`);
  }
  return {
    append: (record) => void enqueue(record),
    commit,
    isWritable: () => isWritable,
    failures: () => failures,
    close: async () => {
      const closing = commit({ event: 'log.closed' });
      isClosed = true;
      if (await closing) await current?.handle.close();
    },
  };
};

const now = (): string => new Date().toISOString();

const reasonOf = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
};
