import { CompositionError } from '../../gateway/supergraph/compose.ts';
import { ConfigError } from '../../runtime/env.ts';

/** What a developer should read of an error: what is wrong and where, without the way there. */
export const formatError = (error: unknown, root: string): string => {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof CompositionError || error instanceof ConfigError) return error.message;
  // A tool that has ended with a failure has said why.
  if ('stdout' in error && 'stderr' in error) return `${error.stdout}${error.stderr}`.trim();
  const lines = (error.stack ?? error.message)
    .split('\n')
    .map((line) => line.replaceAll(`file://${root}/`, '').replaceAll(/\?load=\d+/g, ''));
  // Node puts the place of what it cannot parse first; of what throws, the first line of ours is the place.
  const own = lines.findIndex((line) => /^ +at /.test(line) && !/node:|node_modules/.test(line));
  const message = lines.filter((line) => !/^ +at /.test(line));
  return [...message, ...(own >= 0 ? [lines[own]] : [])].join('\n').trim();
};
