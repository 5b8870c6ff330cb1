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
  if (!(error instanceof UsageError || error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exitCode = error instanceof ConfigError ? 78 : 2;
}
