import { join } from 'node:path';
import { CompositionError } from '../gateway/supergraph/compose.ts';
import { checkSchema, formatReport } from './schema/check.ts';

// `npm run schema:check -- <commit>` checks whether the composed schema breaks committed operations. Default: HEAD.
const [base = 'HEAD', root = join(import.meta.dirname, '..')] = process.argv.slice(2);
try {
  const { text, fails } = formatReport(await checkSchema(root, base), base);
  console.log(text);
  if (fails) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof CompositionError)) throw error;
  console.error(`The subgraphs do not compose.\n${error.message}`);
  process.exitCode = 1;
}
