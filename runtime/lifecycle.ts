import { monotonicNow } from './clock.ts';
import { ConfigError, type Env, loadEnvFile } from './env.ts';

/** Something that runs until it is closed. `close` finishes what is in progress and may be called once. */
export type Running = { readonly close: () => Promise<void> };

/**
 * Runs a process: reads the file with its variables, if there is one, starts it, and on SIGTERM or SIGINT closes it and exits
 * with 0. Another signal exits at once with 1, unless it comes within a second: npm passes on what a terminal sends to all of
 * its processes anyway, and so does the first process of a cluster.
 *
 * A configuration that cannot be used ends the process with exit code 78 (EX_CONFIG in sysexits.h) and a message
 * without a stack trace; any other failure to start ends it with 1.
 *
 * A rejection that nobody handles is written to the standard error and does not end the process: packages leave some, as
 * graphql-js those of list items after one that failed, and a client must not be able to end the process by that.
 */
export const run = async (env: Env, start: () => Promise<Running>): Promise<void> => {
  process.on('unhandledRejection', (reason) => console.error('A rejection that nobody handles:', reason));
  let running: Running;
  try {
    loadEnvFile(env);
    running = await start();
  } catch (error) {
    if (error instanceof ConfigError) {
      const isOneLine = !error.message.includes('\n');
      console.error(`Tributary cannot start${isOneLine ? ': ' : ' with this configuration:\n'}${error.message}`);
      process.exit(78);
    }
    // A process of our own that has said already why it ended.
    if (error instanceof Error && 'exitCode' in error) process.exit(Number(error.exitCode));
    const problem = listenProblemOf(error);
    console.error(problem ? problem.message : error);
    process.exit(problem ? problem.exitCode : 1);
  }
  let stoppingSince: number | undefined;
  const stop = async () => {
    if (stoppingSince !== undefined) {
      if (monotonicNow() - stoppingSince > SAME_SIGNAL_MS) process.exit(1);
      return;
    }
    stoppingSince = monotonicNow();
    try {
      await running.close();
      process.exit(0);
    } catch (error) {
      console.error(error);
      process.exit(1);
    }
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
};

/** Signals within this time are one and the same request to stop, in milliseconds. */
const SAME_SIGNAL_MS = 1_000;

/** What to do where a server cannot listen, and the code to exit with: 78 where only another configuration helps. */
const listenProblemOf = (error: unknown): { message: string; exitCode: number } | undefined => {
  if (!(error instanceof Error)) return undefined;
  const { code, syscall, port, address, hostname = address } = error as NodeJS.ErrnoException & ListenDetails;
  if (code === 'EADDRINUSE')
    return { message: `Port ${port} is taken (EADDRINUSE). Set PORT to another one.`, exitCode: 1 };
  if (syscall === 'getaddrinfo')
    return { message: `HOST: there is no host of the name ${hostname} (${code}).`, exitCode: 78 };
  // In a worker of a cluster, which has its port from the first process, it is `bind`.
  if (syscall !== 'listen' && syscall !== 'bind') return undefined;
  const message =
    code === 'EACCES'
      ? `Port ${port} may not be used (EACCES). Set PORT to one above 1023.`
      : `HOST: ${address} is no address of this machine that a server can listen at (${code}).`;
  return { message, exitCode: 78 };
};

type ListenDetails = { readonly port?: number; readonly address?: string; readonly hostname?: string };
