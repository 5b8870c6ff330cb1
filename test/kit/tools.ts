import { spawnSync } from 'node:child_process';

const works = (command: string, args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** The programs that some tests need and a machine may not have. */
export const TOOLS = {
  'redis-server': () => works('redis-server', ['--version']),
  'php with ext-soap': () => works('php', ['-r', 'exit(class_exists("SoapServer") ? 0 : 1);']),
  'python3 with zeep': () => works('/usr/bin/python3', ['-c', 'import zeep']),
} as const;

export const hasTool = (name: keyof typeof TOOLS): boolean => TOOLS[name]();
