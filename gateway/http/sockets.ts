import type { Socket } from 'node:net';
import type { ApolloServer } from '@apollo/server';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GraphQLError } from 'graphql';
import { CloseCode, handleProtocols } from 'graphql-ws';
import { WebSocketServer } from 'ws';
import type { Admission } from '../../runtime/admission.ts';
import { OverloadedError } from '../../runtime/admission.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import { isCrossSite } from '../../runtime/cross-site.ts';
import { createHostCheck } from '../../runtime/guard-requests.ts';
import type { HttpApp } from '../../runtime/http-app.ts';
import { OVERLOADED, type Refusal, toRawResponse } from '../../runtime/http-errors.ts';
import type { HttpLimits } from '../../runtime/http-limits.ts';
import { MAX_JSON_DEPTH } from '../../runtime/json-bounds.ts';
import type { Log } from '../../runtime/log.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import type { GatewayConfig } from '../config.ts';
import type { PreparedSubscription } from '../subscriptions/group.ts';
import { createSocketServer, type OperationParameters, type SocketResult } from '../subscriptions/websocket.ts';
import type { RequestContext } from './context.ts';
import type { Gate } from './gate.ts';
import { lastEventIdIn } from './last-event-id.ts';
import type { RequestContexts } from './request-contexts.ts';
import type { IdentifySender, SentMessage } from './senders.ts';
import type { GatewaySubscriptions } from './subscriptions.ts';

type IncomingMessage = FastifyRequest['raw'];

export type SocketsOptions = {
  readonly apollo: ApolloServer<RequestContext>;
  readonly subscriptions: GatewaySubscriptions;
  readonly contexts: RequestContexts;
  readonly gate: Gate;
  readonly identify: IdentifySender;
  readonly admission: Admission;
  /** Headers that a client may also send as parameters of its connection: browsers cannot set any. */
  readonly parameterHeaders: readonly string[];
  /** Called with each refusal of a connection or an operation. `identity` is its sender, if it is known. */
  readonly onRefused: (refusal: {
    readonly code: string;
    readonly address: string;
    readonly identity?: Identity | undefined;
  }) => void;
  readonly config: Pick<GatewayConfig, 'subscriptions' | 'http' | 'hosts' | 'corsOrigins' | 'requestTimeoutMs'>;
  readonly log: Log;
};

/** The path of operations over WebSocket: that of operations over HTTP. */
const PATH = '/graphql';

/** Maximum size of a message, as of a body over HTTP. */
const MAX_MESSAGE_BYTES = 1024 * 1024;

/** Time to send the last messages of subscriptions at shutdown, in milliseconds. */
const LAST_MESSAGES_MS = 250;

const NOT_FOUND: Refusal = { status: 404, message: 'Nothing is served at this path.', code: 'NOT_FOUND' };
const CROSS_SITE: Refusal = {
  status: 403,
  message: 'Pages of this origin may not connect. The operator can allow it with CORS_ORIGINS.',
  code: 'FORBIDDEN',
};
const UNKNOWN_PROTOCOL: Refusal = {
  status: 400,
  message: 'Unsupported WebSocket protocol. Use graphql-transport-ws.',
  code: 'BAD_REQUEST',
};

/** Close codes of graphql-transport-ws. Clients do not try again after these. */
const UNAUTHORIZED = 4401;
const FORBIDDEN = 4403;
/** Clients try again. Source: RFC 6455, section 7.4.1. */
const TRY_AGAIN = 1013;
const GOING_AWAY = 1001;

/** Serves operations over WebSocket. Returns a function that closes all connections. */
export const serveSockets = (app: FastifyInstance, upgraded: HttpApp['upgraded'], options: SocketsOptions) => {
  const { config, log } = options;
  const checkHost = createHostCheck(config.hosts);
  let isClosed = false;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    clientTracking: true,
    // Answered where what a client has not read is bounded.
    autoPong: false,
    handleProtocols,
  });
  const serve = createSocketServer<IncomingMessage>({
    heartbeatMs: config.subscriptions.heartbeatMs,
    bounds: { depth: MAX_JSON_DEPTH, values: config.http.maxBodyValues },
    log,
    connect: async (request, parameters) => {
      const message = withParameters(request, parameters, options.parameterHeaders);
      if (!isValidHeader(message.rawHeaders, config.http)) {
        options.onRefused({ code: 'BAD_REQUEST', address: addressOf(request) });
        return { code: CloseCode.BadRequest, reason: 'The parameters of the connection are not valid as headers.' };
      }
      const sender = await options.identify(message, AbortSignal.timeout(config.requestTimeoutMs));
      if ('refusal' in sender) {
        const { refusal } = sender;
        options.onRefused({ code: refusal.code, address: addressOf(request), identity: sender.authenticated });
        const code = { 401: UNAUTHORIZED, 403: FORBIDDEN }[refusal.status] ?? TRY_AGAIN;
        return { code, reason: refusal.message.slice(0, MAX_REASON) };
      }
      return {
        execute: (operation, signal) => execute(operation, signal, { message, address: addressOf(request) }, options),
      };
    },
  });

  const isAllowedOrigin = ({ headers }: IncomingMessage): boolean =>
    !isCrossSite({ host: headers.host, origin: headers.origin }) ||
    config.corsOrigins.includes('*') ||
    config.corsOrigins.includes(headers.origin ?? '');

  const refusalOf = (request: IncomingMessage): Refusal | undefined => {
    if (URL.parse(request.url ?? '', 'http://gateway')?.pathname !== PATH) return NOT_FOUND;
    const hostRefusal = checkHost(request);
    if (hostRefusal) return hostRefusal;
    if (!isAllowedOrigin(request)) return CROSS_SITE;
    const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
    return handleProtocols(new Set(protocols)) === false ? UNKNOWN_PROTOCOL : undefined;
  };

  app.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // Node has removed its own listener: a client that resets the connection would end the process.
    socket.on('error', () => {});
    const refusal = isClosed ? OVERLOADED : refusalOf(request);
    if (refusal) {
      options.onRefused({ code: refusal.code, address: addressOf(request) });
      socket.end(toRawResponse(refusal));
      // Without waiting for the client to close its side.
      socket.destroySoon();
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = upgraded(request.socket);
      // Before the package's own listener, which may complete the message.
      socket.prependListener('data', (chunk: Buffer) => connection.received(chunk.length));
      serve(webSocket, request, connection);
    });
  });

  return {
    close: (): void => {
      isClosed = true;
      // The last messages of their subscriptions go first: clients would connect again, and miss what happens meanwhile.
      setTimeout(() => {
        for (const socket of sockets.clients) socket.close(GOING_AWAY, 'The server is shutting down.');
      }, LAST_MESSAGES_MS);
    },
  };
};

/** Maximum length of a reason in a close frame, in bytes. */
const MAX_REASON = 120;

const addressOf = ({ socket: { remoteAddress } }: IncomingMessage): string => remoteAddress ?? '';

/** Adds headers from the parameters of a connection, which take the place of those of its request. */
const withParameters = (
  { headers, rawHeaders, socket }: IncomingMessage,
  parameters: Readonly<Record<string, unknown>>,
  allowed: readonly string[],
): SentMessage => {
  const { headers: nested } = parameters;
  const given = new Map(
    Object.entries({ ...parameters, ...(typeof nested === 'object' ? nested : {}) }).flatMap(([name, value]) => {
      const lower = name.toLowerCase();
      return typeof value === 'string' && allowed.includes(lower) ? [[lower, value] as const] : [];
    }),
  );
  const raw: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (!given.has(name.toLowerCase())) raw.push(name, rawHeaders[index + 1] ?? '');
  }
  return {
    socket,
    headers: { ...headers, ...Object.fromEntries(given) },
    rawHeaders: [...raw, ...[...given].flat()],
  };
};

/** Whether subgraphs and the authentication can take these headers, as they could those of a request. */
const isValidHeader = (raw: readonly string[], { maxHeaderBytes }: Pick<HttpLimits, 'maxHeaderBytes'>): boolean =>
  raw.every((text) => /^[\t\x20-\x7e\x80-\xff]*$/.test(text)) &&
  raw.reduce((total, { length }) => total + length, 0) <= maxHeaderBytes;

type SocketClient = {
  readonly message: SentMessage;
  readonly address: string;
};

const refuse = ({ message, code, details }: Omit<Refusal, 'status'>): SocketResult => ({
  kind: 'refused',
  errors: [new GraphQLError(message, { extensions: { code, ...details } })],
});

/** Executes an operation as if it had come over HTTP. `signal` fires when its client does not wait for it any more. */
const execute = async (
  parameters: OperationParameters,
  signal: AbortSignal,
  { message, address }: SocketClient,
  options: SocketsOptions,
): Promise<SocketResult> => {
  const { apollo, gate, contexts, config } = options;
  const { headers } = message;
  const arrivedAt = monotonicNow();
  // Each time: tokens expire, and keys are revoked.
  const passed = await gate.pass(message, address, AbortSignal.timeout(config.requestTimeoutMs));
  const refused = (refusal: Omit<Refusal, 'status'>): SocketResult => {
    options.onRefused({ code: refusal.code, address, identity: passed.authenticated });
    return refuse(refusal);
  };
  if (passed.refusal) return refused(passed.refusal);
  const refusal = gate.refusalOf(parameters, headers);
  if (refusal) return refused(refusal);
  const { identity, client, plan, usages } = passed;
  const controller = new AbortController();
  const onLeft = () => controller.abort();
  const timer = setTimeout(
    () => controller.abort(new DOMException('The request timed out.', 'TimeoutError')),
    config.requestTimeoutMs,
  ).unref();
  signal.addEventListener('abort', onLeft, { once: true });
  if (signal.aborted) onLeft();
  const onEnd: (() => void)[] = [];
  let release: (() => void) | undefined;
  try {
    release = await options.admission.acquire({ signal: controller.signal, client });
    let prepared: PreparedSubscription<RequestContext> | undefined;
    const context = contexts.ofRequest(
      {
        signal: controller.signal,
        deadlineAt: arrivedAt + config.requestTimeoutMs,
        arrivedAt,
        identity,
        client,
        plan,
        usages,
      },
      {
        headers,
        isGet: false,
        address: () => address,
        requestTrace: undefined,
        traceId: undefined,
        returnHeader: () => {},
        setHeader: () => {},
        onOperation: () => {},
        onSubscription: (subscription) => {
          prepared = subscription;
        },
        recipient: undefined,
        onClose: (callback) => void onEnd.push(callback),
      },
    );
    const { query, operationName, variables, extensions } = parameters;
    const { body } = await apollo.executeOperation(
      {
        query: query ?? undefined,
        operationName: operationName ?? undefined,
        variables: variables ?? undefined,
        extensions: extensions ?? undefined,
      } as Parameters<typeof apollo.executeOperation>[0],
      { contextValue: context },
    );
    if (prepared) {
      const subscription = prepared;
      const after = lastEventIdIn(extensions);
      return {
        kind: 'subscription',
        open: async (subscriber) => {
          const added = await options.subscriptions.add({ prepared: subscription, context, after, subscriber });
          if ('leave' in added) return added;
          return added.errors.map(({ message, extensions }) => new GraphQLError(message, { extensions }));
        },
      };
    }
    if (body.kind !== 'single') throw new Error('The response is not complete.');
    const { data, errors, extensions: report } = body.singleResult;
    // Refused before it was executed.
    if (data === undefined && errors) {
      return {
        kind: 'refused',
        errors: errors.map(({ message, ...rest }) => new GraphQLError(message, { extensions: rest.extensions })),
      };
    }
    return {
      kind: 'result',
      payload: { data, ...(errors && { errors }), ...(report && { extensions: report as Record<string, unknown> }) },
    };
  } catch (error) {
    // A client that has left the queue is not refused.
    if (error instanceof OverloadedError) return signal.aborted ? refuse(OVERLOADED) : refused(OVERLOADED);
    throw error;
  } finally {
    release?.();
    clearTimeout(timer);
    signal.removeEventListener('abort', onLeft);
    for (const callback of onEnd) callback();
  }
};
