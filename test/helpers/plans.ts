import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseList } from 'structured-headers';
import { onTestFinished } from 'vitest';

export type PlansFile = {
  /** Path of the file. */
  readonly path: string;
  /** Replaces the file. */
  readonly write: (plans: unknown) => void;
};

/** Writes a file of plans, which is removed after the test. Text is written as it is. */
export const writePlans = (plans: unknown): PlansFile => {
  const folder = mkdtempSync(join(tmpdir(), 'plans-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'plans.yaml');
  const write = (next: unknown): void => {
    writeFileSync(`${path}.next`, typeof next === 'string' ? next : JSON.stringify(next));
    renameSync(`${path}.next`, path);
  };
  write(plans);
  return { path, write };
};

/** Parses a header whose items are the names of policies. */
export const policiesIn = (headers: Headers, name: 'ratelimit' | 'ratelimit-policy'): Record<string, object> =>
  Object.fromEntries(
    parseList(headers.get(name) ?? '').map(([item, parameters]) => [String(item), Object.fromEntries(parameters)]),
  );
