import { CompositionError } from '../../gateway/supergraph/compose.ts';
import { ConfigError } from '../../runtime/env.ts';

/** Formats an error for developers: the message and its location, without the rest of the stack. */
export const formatError = (error: unknown, root: string): string => {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof CompositionError || error instanceof ConfigError) return error.message;
  // A failed tool's output contains the reason.
  if ('stdout' in error && 'stderr' in error) return `${error.stdout}${error.stderr}`.trim();
  const lines = (error.stack ?? error.message)
    .split('\n')
    .map((line) => line.replaceAll(`file://${root}/`, '').replaceAll(/\?load=\d+/g, ''));
  // Syntax errors start with their location; for thrown errors it is the first stack frame in our code.
  const own = lines.findIndex((line) => /^ +at /.test(line) && !/node:|node_modules/.test(line));
  const message = lines.filter((line) => !/^ +at /.test(line));
  return [...message, ...(own >= 0 ? [lines[own]] : [])].join('\n').trim();
};
