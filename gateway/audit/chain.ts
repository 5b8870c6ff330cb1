import { createHash, createHmac } from 'node:crypto';

/** A place in the chain: the number of a record, from 1, and its hash. */
export type Position = { readonly sequence: number; readonly hash: string };

/** The position before the first record. */
export const START: Position = { sequence: 0, hash: '0'.repeat(64) };

/** The part of a line that chains it. */
export type ChainedRecord = Position & {
  /** The hash of the record before. */
  readonly previous: string;
  /** Whether the hash is the line's own. */
  readonly isAuthentic: boolean;
  readonly values: Readonly<Record<string, unknown>>;
};

export type Chain = {
  /** Returns the line of the record that follows `last`, and its position. */
  readonly append: (last: Position, values: object) => { readonly line: string; readonly position: Position };
  /** Reads a line without its line break. Undefined if it is not a JSON object. */
  readonly read: (line: Buffer) => ChainedRecord | undefined;
};

const HASH_FIELD = /^,"hash":"([0-9a-f]{64})"}$/;
const HASH_FIELD_LENGTH = 75;

/**
 * Creates the functions that write and read chained lines. Each line has the hash of the line before, and as its last field the
 * hash of all that precedes: SHA-256, or with a key HMAC-SHA-256, which only owners of the key can compute.
 */
export const createChain = (key?: string): Chain => {
  const hashOf = (text: string | Buffer): string =>
    (key === undefined ? createHash('sha256') : createHmac('sha256', key)).update(text).digest('hex');

  return {
    append: ({ sequence: last, hash: previous }, values) => {
      const sequence = last + 1;
      const text = JSON.stringify({ ...values, sequence, previous }).slice(0, -1);
      const hash = hashOf(text);
      return { line: `${text},"hash":"${hash}"}\n`, position: { sequence, hash } };
    },
    read: (line) => {
      const values = parseObject(line.toString());
      if (!values) return undefined;
      const text = line.subarray(0, Math.max(0, line.length - HASH_FIELD_LENGTH));
      const hash = HASH_FIELD.exec(line.toString('latin1', text.length))?.[1];
      return {
        sequence: Number(values['sequence']),
        previous: String(values['previous']),
        hash: String(hash),
        isAuthentic: hash !== undefined && hash === hashOf(text),
        values,
      };
    },
  };
};

const parseObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
};
