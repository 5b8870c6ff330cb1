import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AdminRoute } from '../../runtime/admin/server.ts';
import { OWN_FILES, pageHeaders, TRUSTED_TYPES } from '../../runtime/page-headers.ts';

const PAGE = join(import.meta.dirname, '../../clients/status/dist');

const HEADERS = pageHeaders({ ...OWN_FILES, ...TRUSTED_TYPES });

const TYPES = [
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
] as const;

/** The routes of the status page: three small files, which are read once. */
export const createPageRoutes = (): readonly AdminRoute[] => {
  const route = (path: string, type: string, text: string, headers = {}): AdminRoute => ({
    path,
    headers: { ...HEADERS, 'content-type': type, ...headers },
    read: () => text,
  });
  const page = readPage();
  if (!page) {
    return [
      route('/status', 'text/plain; charset=utf-8', 'This page has not been built. Run `npm run pages` to build it.\n'),
    ];
  }
  return [
    route('/status', 'text/html; charset=utf-8', page.index),
    route('/status/', 'text/html; charset=utf-8', page.index),
    ...page.assets.flatMap(([name, text]) => {
      const type = TYPES.find(([ending]) => name.endsWith(ending))?.[1];
      // The names contain a content hash.
      return type
        ? [route(`/status/assets/${name}`, type, text, { 'cache-control': 'max-age=31536000, immutable' })]
        : [];
    }),
  ];
};

const readPage = () => {
  try {
    return {
      index: readFileSync(join(PAGE, 'index.html'), 'utf8'),
      assets: readdirSync(join(PAGE, 'assets')).map(
        (name) => [name, readFileSync(join(PAGE, 'assets', name), 'utf8')] as const,
      ),
    };
  } catch {
    return undefined;
  }
};
