import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startProcess } from '../helpers/processes.ts';

test('given a signal after the URL was printed but before the start has ended, then the process closes and exits with 0', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lifecycle-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const signalled = join(folder, 'signalled');
  const script = `
    const { existsSync } = await import('node:fs');
    const { run } = await import('./runtime/lifecycle.ts');
    await run(process.env, async () => {
      console.log('answers');
      while (!existsSync(process.env.SIGNALLED));
      return { close: async () => console.log('closed') };
    });
    setInterval(() => {}, 1_000);`;
  const child = startProcess(['node', '--input-type=module', '--eval', script], { SIGNALLED: signalled });
  onTestFinished(child.stop);
  await expect.poll(child.output).toContain('answers');
  child.process.kill('SIGTERM');
  writeFileSync(signalled, '');
  expect(await child.ended).toBe(0);
  expect(child.output()).toContain('closed');
});
