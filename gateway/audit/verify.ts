import { createReadStream } from 'node:fs';
import { type ChainedRecord, createChain, START } from './chain.ts';
import { describeTorn } from './file.ts';

/** A line that breaks the chain. */
export type BrokenLine = { readonly file: string; readonly line: number; readonly reason: string };

export type Verification = {
  readonly records: number;
  readonly first: ChainedRecord | undefined;
  readonly last: ChainedRecord | undefined;
  /** Crashes that were recovered from: each left part of a line. */
  readonly recoveries: number;
  /** Bytes of an incomplete line at the end. */
  readonly unfinishedBytes: number;
  /** The first line that breaks the chain, if any. */
  readonly broken?: BrokenLine;
  /** Whether a record has the expected hash. */
  readonly hasExpected: boolean;
};

export type VerifyOptions = {
  /** The AUDIT_KEY of the writer, if it had one. */
  readonly key?: string | undefined;
  /** The hash of a record that has to be there. */
  readonly expectedHash?: string | undefined;
};

/** Checks the chain of an audit log in its files, oldest first. Stops at the first broken line. Throws if a file cannot be read. */
export const verifyAuditLog = async (
  files: readonly string[],
  { key, expectedHash }: VerifyOptions = {},
): Promise<Verification> => {
  const chain = createChain(key);
  let first: ChainedRecord | undefined;
  let last: ChainedRecord | undefined;
  let records = 0;
  let recoveries = 0;
  let hasExpected = expectedHash === undefined;
  let torn: TornLines | undefined;
  const result = (broken?: BrokenLine): Verification => ({
    records,
    first,
    last,
    recoveries,
    unfinishedBytes: torn?.isUnfinished ? torn.bytes.length : 0,
    hasExpected,
    ...(broken && { broken }),
  });

  for (const file of files) {
    let line = 0;
    for await (const { bytes, isComplete } of readLines(file)) {
      line += 1;
      const record = isComplete ? chain.read(bytes) : undefined;
      if (!record) {
        torn = torn
          ? { ...torn, bytes: Buffer.concat([torn.bytes, NEW_LINE, bytes]), isUnfinished: false }
          : { file, line, bytes, isUnfinished: !isComplete };
        continue;
      }
      if (!record.isAuthentic) return result({ file, line, reason: 'was changed, or written with another AUDIT_KEY' });
      if (torn) {
        if (!accountsFor(record, torn.bytes)) return result(noRecord(torn));
        recoveries += 1;
        torn = undefined;
      }
      if (!follows(record, last)) return result({ file, line, reason: 'does not follow the record before' });
      first ??= record;
      last = record;
      records += 1;
      hasExpected ||= record.hash === expectedHash;
    }
  }
  if (torn && !torn.isUnfinished) return result(noRecord(torn));
  return result();
};

const NEW_LINE = Buffer.from('\n');

/** Lines that are not records, from the first one on. */
type TornLines = Omit<BrokenLine, 'reason'> & { readonly bytes: Buffer; readonly isUnfinished: boolean };

const noRecord = ({ file, line }: TornLines): BrokenLine => ({ file, line, reason: 'is not a record' });

/** Whether a record says that these bytes were left by a crash. */
const accountsFor = ({ values }: ChainedRecord, bytes: Buffer): boolean =>
  values['event'] === 'log.recovered' && JSON.stringify(values['torn']) === JSON.stringify(describeTorn(bytes));

/** Whether a record is the next one. The files may begin with any record. */
const follows = ({ sequence, previous }: ChainedRecord, last: ChainedRecord | undefined): boolean => {
  if (last) return sequence === last.sequence + 1 && previous === last.hash;
  return sequence !== START.sequence + 1 || previous === START.hash;
};

/** Yields the lines of a file without their line breaks. The last one may have none. */
async function* readLines(file: string): AsyncGenerator<{ readonly bytes: Buffer; readonly isComplete: boolean }> {
  let rest: Buffer[] = [];
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(NEW_LINE); end >= 0; end = chunk.indexOf(NEW_LINE, start)) {
      yield { bytes: Buffer.concat([...rest, chunk.subarray(start, end)]), isComplete: true };
      rest = [];
      start = end + 1;
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
  }
  if (rest.length > 0) yield { bytes: Buffer.concat(rest), isComplete: false };
}
