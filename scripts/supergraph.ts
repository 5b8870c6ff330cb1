import { CompositionError, updateSupergraphFiles } from '../gateway/supergraph/compose.ts';

// `npm run supergraph` writes the composed supergraph; with `--check` it only checks whether the committed one is up to date.
const check = process.argv.includes('--check');
try {
  const { outdated } = await updateSupergraphFiles({ check });
  for (const path of outdated) console.log(`${check ? 'out of date' : 'wrote'}: ${path}`);
  if (check && outdated.length > 0) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof CompositionError)) throw error;
  console.error(`The subgraphs do not compose.\n${error.message}`);
  process.exitCode = 1;
}
