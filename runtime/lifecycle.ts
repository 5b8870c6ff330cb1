import { monotonicNow } from './clock.ts';
import { ConfigError, type Env, loadEnvFile } from './env.ts';

/** A running process component. `close` finishes work in progress and may be called once. */
export type Running = { readonly close: () => Promise<void> };

/**
 * Runs a process: loads the `.env` file, starts the component, and on SIGTERM or SIGINT closes it and exits with 0.
 *
 * A second signal exits immediately with 1, unless it arrives within one second of the first: npm and the primary process of a
 * cluster forward signals that the terminal has already sent to all processes.
 *
 * An invalid configuration ends the process with exit code 78 (EX_CONFIG in sysexits.h) and a message without a stack trace. Any
 * other startup failure ends it with 1.
 *
 * Unhandled rejections are written to standard error and do not end the process. Some packages leave rejections unhandled, such
 * as graphql-js those of list items after a failed one, and clients must not be able to crash the process that way.
 */
export const run = async (env: Env, start: () => Promise<Running>): Promise<void> => {
  process.on('unhandledRejection', (reason) => console.error('Unhandled rejection:', reason));
  let running: Running | undefined;
  let stopRequestedAt: number | undefined;
  const stop = async ({ close }: Running) => {
    if (stopRequestedAt !== undefined) {
      if (monotonicNow() - stopRequestedAt > SAME_SIGNAL_MS) process.exit(1);
      return;
    }
    stopRequestedAt = monotonicNow();
    try {
      await close();
      process.exit(0);
    } catch (error) {
      console.error(error);
      process.exit(1);
    }
  };
  // Before the start: whoever reads that the process answers may send a signal at once.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const onSignal = () => {
      if (running) return void stop(running);
      // As without a handler.
      process.off(signal, onSignal);
      process.kill(process.pid, signal);
    };
    process.on(signal, onSignal);
  }
  try {
    loadEnvFile(env);
    running = await start();
  } catch (error) {
    if (error instanceof ConfigError) {
      const isOneLine = !error.message.includes('\n');
      console.error(`Tributary cannot start${isOneLine ? ': ' : ' with this configuration:\n'}${error.message}`);
      process.exit(78);
    }
    // A child process that has already reported the reason.
    if (error instanceof Error && 'exitCode' in error) process.exit(Number(error.exitCode));
    const problem = describeListenError(error);
    console.error(problem ? problem.message : error);
    process.exit(problem ? problem.exitCode : 1);
  }
};

/** Time within which repeated signals count as one, in milliseconds. */
const SAME_SIGNAL_MS = 1_000;

/** Returns the message and exit code for a listen error. The code is 78 if the configuration must be changed. */
const describeListenError = (error: unknown): { message: string; exitCode: number } | undefined => {
  if (!(error instanceof Error)) return undefined;
  const { code, syscall, port, address, hostname = address } = error as NodeJS.ErrnoException & ListenDetails;
  if (code === 'EADDRINUSE')
    return { message: `Port ${port} is in use (EADDRINUSE). Set PORT to a free port.`, exitCode: 1 };
  if (syscall === 'getaddrinfo')
    return { message: `HOST: the host name ${hostname} cannot be resolved (${code}).`, exitCode: 78 };
  // In a cluster worker, which gets its port from the primary process, the failing call is `bind`.
  if (syscall !== 'listen' && syscall !== 'bind') return undefined;
  const message =
    code === 'EACCES'
      ? `Permission denied for port ${port} (EACCES). Set PORT to a port above 1023.`
      : `HOST: ${address} is not an address of this machine (${code}).`;
  return { message, exitCode: 78 };
};

type ListenDetails = { readonly port?: number; readonly address?: string; readonly hostname?: string };
