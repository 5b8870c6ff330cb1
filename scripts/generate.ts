import { join } from 'node:path';
import { GenerateError, generate } from './generate/generate.ts';

/* `npm run generate`: generates files from the definitions. With `--check`, fails if a file is out of date. */

const check = process.argv.includes('--check');
try {
  const outdated = await generate(join(import.meta.dirname, '..'), { check });
  for (const file of outdated)
    console.log(check ? `${file} is out of date. Run \`npm run generate\`.` : `wrote ${file}`);
  if (check && outdated.length > 0) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof GenerateError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
