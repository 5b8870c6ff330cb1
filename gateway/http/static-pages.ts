import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest, onSendHookHandler } from 'fastify';
import { isAllowed } from '../../runtime/admin/server.ts';
import { hostNameOf } from '../../runtime/hosts.ts';
import { sendError } from '../../runtime/send-refusal.ts';
import type { GatewayConfig } from '../config.ts';
import { createDeskHeaders, EXPLORER_HEADERS, LANDING_PAGE_HEADERS } from './page-headers.ts';
import { toReachableUrl } from './reachable-url.ts';

const CLIENTS = join(import.meta.dirname, '../../clients');

export type PagesOptions = {
  readonly config: GatewayConfig;
  /** Returns the current public schema as SDL. */
  readonly schemaText: () => string;
  /** Returns the URL at which the gateway listens, once it does. */
  readonly listenUrl: () => string;
  /** Returns who reports the changes of a subgraph's data: a sandbox of this process, or a provider. Undefined if nobody does. */
  readonly eventsFrom: (subgraph: string) => 'sandbox' | 'provider' | undefined;
  /** Refuses a request that may not read the schema, and then returns its reply. Undefined if everyone may. */
  readonly guardSchema:
    | ((request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined>)
    | undefined;
};

/**
 * Registers the pages for people and tools: Apollo Sandbox at `/`, the explorer at `/graphiql`, the customer desk at `/desk`, and
 * for client projects the schema and a GraphQL Code Generator configuration.
 */
export const registerPages = async (
  app: FastifyInstance,
  { config, schemaText, listenUrl, eventsFrom, guardSchema }: PagesOptions,
): Promise<void> => {
  const { explorer, desk, deskSignIn, introspection, hosts, publicUrl, auth } = config;
  /** Returns the public GraphQL URL. Uses the `Host` header only if it is a known name, because the response may be cached. */
  const graphqlUrl = (host: string): string => {
    const { protocol } = new URL(listenUrl());
    const requestUrl = hosts.isKnown(hostNameOf(host) ?? '') ? `${protocol}//${host}` : toReachableUrl(listenUrl());
    return `${(publicUrl ?? requestUrl).replace(/\/$/, '')}/graphql`;
  };
  if (explorer) {
    app.get('/', (_request, reply) => reply.redirect('/graphql'));
    await registerPage(app, '/graphiql', {
      root: join(CLIENTS, 'explorer/dist'),
      headers: EXPLORER_HEADERS,
      settings: ({ socket }) => ({
        hasPeople: auth.development,
        hasEstimates: config.reportAllowed,
        live: LIVE_SUBGRAPHS.filter((subgraph) => eventsFrom(subgraph) !== undefined),
        // Buttons change sample data, and never a provider's.
        sandboxes: LIVE_SUBGRAPHS.filter((subgraph) => eventsFrom(subgraph) === 'sandbox'),
        hasStatus: config.statusPage && isAllowed(config.adminAllow, socket.remoteAddress),
      }),
    });
  }
  if (desk) {
    // A browser may have a client certificate.
    const isRequired = auth.withoutCredentials === 'refused' && auth.certificates.length === 0;
    await registerPage(app, '/desk', {
      root: join(CLIENTS, 'web/dist'),
      headers: createDeskHeaders(deskSignIn?.issuer),
      settings: () => ({
        hasPeople: auth.development,
        live: LIVE_SUBGRAPHS.filter((subgraph) => eventsFrom(subgraph) !== undefined),
        signIn: deskSignIn && { ...deskSignIn, isRequired },
      }),
    });
  }
  if (explorer && introspection) {
    app.get('/schema.graphql', { onRequest: guardSchema ? [guardSchema] : [] }, (_request, reply) =>
      reply.type('text/plain; charset=utf-8').send(schemaText()),
    );
    app.get('/codegen.mjs', async ({ host }, reply) => {
      const text = await readFile(join(CLIENTS, 'codegen.mjs'), 'utf8');
      const url = JSON.stringify(graphqlUrl(host));
      return reply
        .type('text/javascript; charset=utf-8')
        .send(text.replace("'http://127.0.0.1:4000/graphql'", () => url));
    });
  }
};

/** Adds the headers of Apollo Server's landing page, which `/graphql` returns to browsers, if the response is that page. */
export const addLandingPageHeaders: onSendHookHandler = (_request, reply, _payload, done) => {
  if (String(reply.getHeader('content-type')).startsWith('text/html')) reply.headers(LANDING_PAGE_HEADERS);
  done();
};

/** The subgraphs to whose changes the pages subscribe. */
const LIVE_SUBGRAPHS = ['crm', 'inventory', 'payments'];

type PageOptions = {
  /** The folder of its files. */
  readonly root: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Returns the content of its `config.json`. */
  readonly settings: (request: FastifyRequest) => object;
};

/** Serves a built single-page app and its settings. Every path below the prefix that is not a file returns the app, which routes by it. */
const registerPage = async (
  app: FastifyInstance,
  prefix: string,
  { root, headers, settings }: PageOptions,
): Promise<void> => {
  await app.register(
    async (scope) => {
      // Also for a page that comes from a development server.
      scope.get('/config.json', (request, reply) =>
        reply.headers({ ...headers, 'cache-control': 'no-cache' }).send(settings(request)),
      );
      if (!existsSync(root)) {
        scope.setNotFoundHandler((_request, reply) =>
          reply.code(503).type('text/plain').send('This page has not been built. Run `npm run pages` to build it.\n'),
        );
        return;
      }
      // Loaded only if there are pages, because it is slow to load.
      await scope.register((await import('@fastify/static')).default, {
        root,
        redirect: true,
        setHeaders: (reply, path) => {
          // Files in `assets` are immutable: their names contain a content hash.
          reply.header('cache-control', path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache');
          for (const [name, value] of Object.entries(headers)) reply.header(name, value);
        },
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

/** File names change with each build, so a page that is still open can refer to a file that no longer exists. */
const NO_SUCH_FILE = 'File not found. Reload the page.';
