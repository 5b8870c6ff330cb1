import { ConfigError, loadEnvFile } from '../../runtime/env.ts';
import { runKeysCommand, UsageError } from './keys.ts';

/* `npm run keys`: creates, lists and revokes API keys. */

try {
  loadEnvFile(process.env);
  const { key, text } = await runKeysCommand(process.argv.slice(2), process.env);
  console.error(text);
  // Alone on standard output, so that a program can take it.
  if (key) console.log(key);
} catch (error) {
  const { message } = error as Error;
  if (error instanceof UsageError) process.exitCode = 2;
  else if (error instanceof ConfigError) process.exitCode = 78;
  // A folder that is not there, a Redis that refuses a command.
  else process.exitCode = 1;
  console.error(process.exitCode === 1 ? `The keys cannot be read or written: ${message}` : message);
}
