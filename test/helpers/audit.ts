import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export const AUDIT_KEY = 'the-key-of-these-tests-0123456789abcdef';

/** Creates a folder that is removed after the test, and returns the path of an audit log in it. */
export const auditFile = (name = 'audit.jsonl'): string => {
  const folder = mkdtempSync(join(tmpdir(), 'audit-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, name);
};

export type AuditLine = {
  readonly event: string;
  readonly sequence: number;
  readonly hash: string;
  readonly [name: string]: unknown;
};

/** Reads the complete records of audit logs. */
export const readRecords = (...files: readonly string[]): AuditLine[] =>
  files.flatMap((file) => {
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    return lines.flatMap((line) => {
      try {
        return [JSON.parse(line) as AuditLine];
      } catch {
        return [];
      }
    });
  });

export const recordsOf = (file: string, event: string): AuditLine[] =>
  readRecords(file).filter((record) => record.event === event);
