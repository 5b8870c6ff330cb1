import { createHash } from 'node:crypto';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, dirname, join, parse } from 'node:path';
import type { Chain, Position } from './chain.ts';

/** The file cannot continue the chain. The message says why, and what to do. */
export class AuditFileError extends Error {}

/** Returns the file of one of several writers, e.g. `audit.worker-2.jsonl`. Each process needs its own. */
export const fileOfWriter = (file: string, writer: string): string => {
  const { dir, name, ext } = parse(file);
  return join(dir, `${name}.${writer}${ext}`);
};

/** Returns the name that a full file gets: with the number of its last record, so that names sort by age. */
export const rotatedName = (file: string, { sequence }: Position): string =>
  `${file}.${String(sequence).padStart(12, '0')}`;

type FileEnd = {
  readonly last: Position | undefined;
  /** The bytes after the last record that are not one, as a crash leaves them. */
  readonly torn: Buffer;
  /** Whether the last line is complete. */
  readonly isEnded: boolean;
};

/** A file that is open for appending. */
export type OpenFile = FileEnd & { readonly handle: FileHandle; readonly size: number };

/**
 * Opens a file for appending, creates it if it is missing, and reads its end. A file without a record continues the newest
 * rotated one.
 *
 * Throws AuditFileError if the file does not end with a record of this chain, and system errors if it cannot be used.
 */
export const openForAppend = async (file: string, chain: Chain): Promise<OpenFile> => {
  const handle = await open(file, 'a+', 0o640);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new AuditFileError('is not a regular file');
    if (stats.size === 0) await syncFolder(dirname(file));
    const end = await readEnd(handle, stats.size, chain);
    return { handle, size: stats.size, ...end, last: end.last ?? (await lastOfRotated(file, chain)) };
  } catch (error) {
    await handle.close();
    throw error;
  }
};

/** Makes the names in a folder survive a power failure. */
const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

const lastOfRotated = async (file: string, chain: Chain): Promise<Position | undefined> => {
  const prefix = `${basename(file)}.`;
  const rotated = (await readdir(dirname(file))).filter(
    (name) => name.startsWith(prefix) && /^\d{12,}$/.test(name.slice(prefix.length)),
  );
  const newest = rotated.sort().at(-1);
  if (newest === undefined) return undefined;
  const handle = await open(join(dirname(file), newest), 'r');
  try {
    return (await readEnd(handle, (await handle.stat()).size, chain)).last;
  } finally {
    await handle.close();
  }
};

/** The part of a file that is searched for its last record, in bytes. Records are far shorter. */
const WINDOW_BYTES = 1024 * 1024;
const LINE_BREAK = 0x0a;

const readEnd = async (handle: FileHandle, size: number, chain: Chain): Promise<FileEnd> => {
  const bytes = Buffer.alloc(Math.min(size, WINDOW_BYTES));
  await handle.read(bytes, 0, bytes.length, size - bytes.length);
  const isEnded = bytes.length === 0 || bytes.at(-1) === LINE_BREAK;
  // From the last line upwards. A line ends before its line break.
  for (let end = isEnded ? bytes.length - 1 : bytes.length; end > 0; ) {
    const start = bytes.lastIndexOf(LINE_BREAK, end - 1) + 1;
    const record = chain.read(bytes.subarray(start, end));
    if (record?.isAuthentic) return { last: record, torn: bytes.subarray(end + 1), isEnded };
    // A torn line is never complete JSON.
    if (record) break;
    end = start - 1;
  }
  // Empty, or with a part of its first record.
  if (size === bytes.length && !bytes.includes(LINE_BREAK)) return { last: undefined, torn: bytes, isEnded };
  throw new AuditFileError('does not end with a record of this AUDIT_KEY. Move it away to begin a new chain');
};

/** Describes torn bytes for the record after them, which accounts for them. A line break at their end is not counted. */
export const describeTorn = (bytes: Buffer): { readonly bytes: number; readonly sha256: string } => {
  const torn = bytes.at(-1) === LINE_BREAK ? bytes.subarray(0, -1) : bytes;
  return { bytes: torn.length, sha256: createHash('sha256').update(torn).digest('hex') };
};
