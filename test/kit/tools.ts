import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const works = (command: string, args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** The browser that the pages are tried in. */
export const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

/** The programs that some tests need and a machine may not have. */
export const TOOLS = {
  'redis-server': () => works('redis-server', ['--version']),
  'php with ext-soap': () => works('php', ['-r', 'exit(class_exists("SoapServer") ? 0 : 1);']),
  'python3 with zeep': () => works('/usr/bin/python3', ['-c', 'import zeep']),
  git: () => works('git', ['--version']),
  chromium: () => CHROMIUM !== undefined,
} as const;

export const hasTool = (name: keyof typeof TOOLS): boolean => TOOLS[name]();
