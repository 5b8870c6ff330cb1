import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyStaticOptions } from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { hostNameOf } from '../../runtime/hosts.ts';
import { sendError } from '../../runtime/send-refusal.ts';
import type { GatewayConfig } from '../config.ts';

const CLIENTS = join(import.meta.dirname, '../../clients');

/** What a page may load: its own files, and answers of this gateway. The editor of the explorer makes styles by itself. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "worker-src 'self' blob:",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

export type PagesOptions = {
  readonly config: GatewayConfig;
  /** The schema that clients see now. */
  readonly schemaText: () => string;
  /** The URL that the gateway listens at, once it does. */
  readonly listensAt: () => string;
};

/**
 * Serves what is for people and their tools: the Sandbox of Apollo at `/`, the explorer at `/graphiql`, the customer desk at
 * `/desk`, and for projects of clients the schema and a configuration of GraphQL Code Generator.
 */
export const registerPages = async (
  app: FastifyInstance,
  { config, schemaText, listensAt }: PagesOptions,
): Promise<void> => {
  const { explorer, desk, introspection, hosts, publicUrl } = config;
  /** What a request's own `Host` says is repeated only where it is one of ours: an answer may be kept for others. */
  const graphqlUrl = (host: string): string => {
    const ownUrl = hosts.isKnown(hostNameOf(host) ?? '') ? `http://${host}` : reachable(listensAt());
    return `${(publicUrl ?? ownUrl).replace(/\/$/, '')}/graphql`;
  };
  if (explorer) {
    app.get('/', (_request, reply) => reply.redirect('/graphql'));
    await registerPage(app, '/graphiql', join(CLIENTS, 'explorer/dist'));
  }
  if (desk) await registerPage(app, '/desk', join(CLIENTS, 'web/dist'));
  if (explorer && introspection) {
    app.get('/schema.graphql', (_request, reply) => reply.type('text/plain; charset=utf-8').send(schemaText()));
    app.get('/codegen.mjs', async ({ host }, reply) => {
      const text = await readFile(join(CLIENTS, 'codegen.mjs'), 'utf8');
      const own = JSON.stringify(graphqlUrl(host));
      return reply
        .type('text/javascript; charset=utf-8')
        .send(text.replace("'http://127.0.0.1:4000/graphql'", () => own));
    });
  }
};

/** The same address as a client on this machine reaches it: all of a machine's addresses are none to connect to. */
const reachable = (url: string): string => url.replace('//0.0.0.0:', '//localhost:').replace('//[::]:', '//localhost:');

/** Serves a page that was built into a folder. Every path below it that is no file is the page itself, which reads it. */
const registerPage = async (app: FastifyInstance, prefix: string, root: string): Promise<void> => {
  await app.register(
    async (scope) => {
      if (!existsSync(root)) {
        scope.setNotFoundHandler((_request, reply) =>
          reply.code(503).type('text/plain').send('This page has not been built: `npm run pages` builds it.\n'),
        );
        return;
      }
      // Loaded where there are pages: it takes its time.
      await scope.register((await import('@fastify/static')).default, {
        root,
        redirect: true,
        setHeaders: setPageHeaders,
        cacheControl: false,
      });
      scope.setNotFoundHandler((request, reply) => {
        const isPage = ['GET', 'HEAD'].includes(request.method) && !request.url.startsWith(`${prefix}/assets/`);
        return isPage ? reply.sendFile('index.html') : sendError(reply, 404, NO_SUCH_FILE, 'NOT_FOUND');
      });
    },
    { prefix },
  );
};

/** The names of a page's files change with each build. */
const NO_SUCH_FILE = 'This page has no such file. Reload the page.';

/** The files in `assets` have their content's digest in their names. */
const setPageHeaders: NonNullable<FastifyStaticOptions['setHeaders']> = (reply, path) => {
  reply.header('cache-control', path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache');
  reply.header('content-security-policy', CONTENT_SECURITY_POLICY);
  reply.header('x-content-type-options', 'nosniff');
  reply.header('referrer-policy', 'same-origin');
};
