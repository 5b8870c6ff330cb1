import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/** The pages that the gateway serves, each a folder of `clients/`. */
const PAGES = ['explorer', 'status', 'web'] as const;

/** What they share. */
const SHARED = join(ROOT, 'clients/shared');

/**
 * Builds the pages into their `dist` folders. Warns about each page that it cannot build, because the development packages are
 * not installed or the folder is not writable. Returns whether all pages are built.
 */
export const buildPages = async ({ onlyChanged }: { onlyChanged: boolean }): Promise<boolean> => {
  const wanted: string[] = [];
  for (const page of PAGES) if (!onlyChanged || (await isOutdated(page))) wanted.push(page);
  if (wanted.length === 0) return true;
  const vite = await import('vite').catch(() => undefined);
  if (!vite) {
    console.warn(`Not built, because the development packages are not installed: ${wanted.join(', ')}`);
    return false;
  }
  let areAllBuilt = true;
  for (const page of wanted) {
    const start = performance.now();
    const root = join(ROOT, 'clients', page);
    try {
      // Node loads the TypeScript directly; Vite's own loader would write a file beside it.
      await vite.build({ configFile: join(root, 'vite.config.ts'), configLoader: 'native', logLevel: 'warn' });
    } catch (error) {
      const why = fileProblemOf(error);
      if (!why) throw error;
      console.warn(
        `Not built: clients/${page}. The folder cannot be written (${why}). Run \`npm run pages\` where it can.`,
      );
      areAllBuilt = false;
      continue;
    }
    console.log(`Built clients/${page} in ${((performance.now() - start) / 1000).toFixed(1)} s.`);
  }
  return areAllBuilt;
};

/** Returns the error code if a file or folder could not be written anywhere in the build. */
const fileProblemOf = (error: unknown): string | undefined => {
  const text = error instanceof Error ? `${'code' in error ? error.code : ''} ${error.message}` : '';
  return /\b(EACCES|EPERM|EROFS|ENOSPC|EDQUOT|EEXIST|ENOTDIR)\b/.exec(text)?.[1];
};

/** Whether a source of the page is newer than the page. */
const isOutdated = async (page: string): Promise<boolean> => {
  const folder = join(ROOT, 'clients', page);
  const built = await timeOf(join(folder, 'dist/index.html'));
  const sources = await Promise.all(
    [folder, SHARED].map(async (one) =>
      (await readdir(join(one, 'src'), { recursive: true })).map((file) => join(one, 'src', file)),
    ),
  );
  const files = [
    join(ROOT, 'package-lock.json'),
    join(folder, 'index.html'),
    join(folder, 'vite.config.ts'),
    ...sources.flat(),
  ];
  const times = await Promise.all(files.map(timeOf));
  return times.some((time) => time > built);
};

const timeOf = (file: string): Promise<number> =>
  stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
