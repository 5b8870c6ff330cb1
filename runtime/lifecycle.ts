import { ConfigError } from './env.ts';

/** Something that runs until it is closed. `close` finishes what is in progress and may be called once. */
export type Running = { readonly close: () => Promise<void> };

/**
 * Runs a process: starts it, and on SIGTERM or SIGINT closes it and exits with 0. A second signal exits at once.
 *
 * A configuration that cannot be used ends the process with exit code 78 (EX_CONFIG in sysexits.h) and a message
 * without a stack trace; any other failure to start ends it with 1.
 *
 * A rejection that nobody handles is written to the standard error and does not end the process: packages leave some, as
 * graphql-js those of list items after one that failed, and a client must not be able to end the process by that.
 */
export const run = async (start: () => Promise<Running>): Promise<void> => {
  process.on('unhandledRejection', (reason) => console.error('A rejection that nobody handles:', reason));
  let running: Running;
  try {
    running = await start();
  } catch (error) {
    if (error instanceof ConfigError) {
      const isOneLine = !error.message.includes('\n');
      console.error(`Tributary cannot start${isOneLine ? ': ' : ' with this configuration:\n'}${error.message}`);
      process.exit(78);
    }
    // A process of our own that has said already why it ended.
    if (error instanceof Error && 'exitCode' in error) process.exit(Number(error.exitCode));
    console.error(isPortTaken(error) ? `Port ${error.port} is taken (EADDRINUSE). Set PORT to another one.` : error);
    process.exit(1);
  }
  let stopping = false;
  const stop = async () => {
    if (stopping) process.exit(1);
    stopping = true;
    await running.close();
    process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
};

const isPortTaken = (error: unknown): error is Error & { port: number } =>
  error instanceof Error && 'code' in error && error.code === 'EADDRINUSE' && 'port' in error;
