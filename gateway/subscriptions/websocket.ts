import { GraphQLError, parse } from 'graphql';
import { CloseCode, type Message, MessageType, makeServer, parseMessage } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { UpgradedConnection } from '../../runtime/connections.ts';
import { exceededJsonBound } from '../../runtime/json-bounds.ts';
import type { Log } from '../../runtime/log.ts';
import { type Payload, toEndPayload, toPayload } from './message.ts';
import { createOutbox } from './outbox.ts';
import type { OpenSubscription, Subscriber } from './registry.ts';
import { watchSocket } from './watch-socket.ts';

/*
 * Operations over WebSocket, by the protocol graphql-transport-ws: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md.
 * The package graphql-ws speaks it; what it sends is executed by the gateway.
 */

/** The parameters of an operation, as a client has sent them. */
export type OperationParameters = {
  readonly query?: string | null | undefined;
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
  readonly extensions?: Readonly<Record<string, unknown>> | null | undefined;
};

/** What became of an operation: refused, executed, or a subscription to open. */
export type SocketResult =
  | { readonly kind: 'refused'; readonly errors: readonly GraphQLError[] }
  | { readonly kind: 'result'; readonly payload: Payload }
  | {
      readonly kind: 'subscription';
      readonly open: (subscriber: Subscriber) => Promise<OpenSubscription | readonly GraphQLError[]>;
    };

/** The clients of one WebSocket. */
export type SocketSession = {
  /** Executes an operation. `signal` fires when its client does not wait for it any more. */
  readonly execute: (parameters: OperationParameters, signal: AbortSignal) => Promise<SocketResult>;
};

export type SocketServerOptions<Connection> = {
  /** Begins the session of a connection with the client's parameters. A refusal closes it. */
  readonly connect: (
    connection: Connection,
    parameters: Readonly<Record<string, unknown>>,
  ) => Promise<SocketSession | { readonly code: number; readonly reason: string }>;
  readonly heartbeatMs: number;
  /** Maximum depth and number of values of a message. */
  readonly bounds: Parameters<typeof exceededJsonBound>[1];
  readonly log: Log;
};

/** Time for a client to begin its session, in milliseconds. */
const INIT_TIMEOUT_MS = 10_000;

/** Bytes that may wait for a client that does not read. Beyond, nothing that it sends is read. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** Maximum length of the id of an operation, which is kept while it is open. */
const MAX_ID_CHARS = 1_000;

/** Maximum length of a message without an operation. The parameters of a connection are kept while it is open. */
const MAX_OTHER_CHARS = 64_000;

/** The protocol executes documents. It gets one of these, and the result of what the client has sent. */
const QUERY = parse('{ __typename }');
const SUBSCRIPTION = parse('subscription { __typename }');

/** An operation that a client has sent, and what releases the memory that counts for it. */
type ReceivedOperation = { readonly parameters: OperationParameters; readonly release: () => void };

type Extra<Connection> = {
  readonly connection: Connection;
  readonly socket: WebSocket;
  readonly closed: AbortSignal;
  /**
   * The operations without a response, by id. Each is aborted when its client does not wait for it any more; a subscription that
   * is being opened is left once it is open.
   */
  readonly opening: Map<string, AbortController>;
  /** An operation that has arrived and was not begun, by its id. */
  readonly received: Map<string, ReceivedOperation>;
  /** Counts an operation as open, and returns a function that ends it. */
  readonly begin: () => () => void;
  session?: SocketSession;
};

/**
 * Creates the protocol's server. The returned function serves a WebSocket of a connection, which has work in progress while it has open
 * operations.
 */
export const createSocketServer = <Connection>({
  connect,
  heartbeatMs,
  bounds,
  log,
}: SocketServerOptions<Connection>): ((
  socket: WebSocket,
  connection: Connection,
  upgraded: UpgradedConnection,
) => void) => {
  const server = makeServer<Record<string, unknown>, Extra<Connection>>({
    connectionInitWaitTimeout: INIT_TIMEOUT_MS,
    onConnect: async ({ extra, connectionParams = {} }) => {
      const session = await connect(extra.connection, connectionParams);
      if ('execute' in session) {
        extra.session = session;
        return true;
      }
      extra.socket.close(session.code, session.reason);
      return false;
    },
    onSubscribe: async ({ extra }, id) => {
      const { parameters, release } = extra.received.get(id) as ReceivedOperation;
      extra.received.delete(id);
      // Completed and used again meanwhile: the package would take one operation for the other.
      if (extra.opening.has(id)) {
        release();
        extra.socket.close(CloseCode.SubscriberAlreadyExists, 'The id is in use.');
        return [new GraphQLError('The id is in use.')];
      }
      const operation = new AbortController();
      extra.opening.set(id, operation);
      if (extra.closed.aborted) operation.abort();
      const end = extra.begin();
      let isOpen = false;
      try {
        const result = await (extra.session as SocketSession).execute(parameters, operation.signal);
        if (result.kind === 'refused') return result.errors;
        const opened = result.kind === 'subscription' ? await openIterator(result.open, extra.closed, end) : result;
        if (Array.isArray(opened)) return opened;
        isOpen = result.kind === 'subscription';
        return {
          // Neither is used: `execute` and `subscribe` return the result.
          schema: undefined as never,
          document: result.kind === 'subscription' ? SUBSCRIPTION : QUERY,
          contextValue: opened,
        };
      } finally {
        release();
        extra.opening.delete(id);
        if (!isOpen) end();
      }
    },
    execute: ({ contextValue }) => contextValue as never,
    subscribe: ({ contextValue }) => contextValue as never,
    onNext: (_context, _id, _payload, _args, result) => (result as unknown as { payload: Payload }).payload as never,
  });
  return (socket, connection, { setWorking, received: countReceived, completed, hold }) => {
    const closing = new AbortController();
    const opening = new Map<string, AbortController>();
    const received = new Map<string, ReceivedOperation>();
    let working = 0;
    // Until it has an operation, its connection may be closed for others.
    setWorking(false);
    const begin = () => {
      working += 1;
      if (working === 1) setWorking(true);
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        working -= 1;
        if (working === 0) setWorking(false);
      };
    };
    const setAlive = watchSocket(socket, { heartbeatMs });
    /** Resolves when what `write` sends has left this process, or the client has. */
    const send = (write: (done: () => void) => void): Promise<void> =>
      new Promise((resolve) => {
        // A client that has left needs nothing.
        if (socket.readyState !== socket.OPEN) return resolve();
        write(() => {
          if (socket.isPaused && socket.bufferedAmount <= MAX_UNREAD_BYTES) {
            setAlive();
            socket.resume();
          }
          resolve();
        });
        // A client that only sends would fill the memory with the responses. Without a `pong`, it is disconnected soon.
        if (socket.bufferedAmount > MAX_UNREAD_BYTES) socket.pause();
      });
    // They may arrive between the parts of a message.
    for (const kind of ['ping', 'pong'] as const) socket.on(kind, ({ length }) => countReceived(-FRAME_BYTES - length));
    socket.on('ping', (data) => void send((done) => socket.pong(data, false, done)));
    // Of the connection: `close` follows.
    socket.on('error', () => {});
    const onClosed = server.opened(
      {
        protocol: socket.protocol,
        send: (data) => send((done) => socket.send(data, done)),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (receive) => {
          socket.on('message', (data) => {
            completed();
            // Messages that arrive after the socket was closed are ignored.
            if (socket.readyState !== socket.OPEN) return;
            const text = String(data);
            const message = exceededJsonBound(text, bounds) ? undefined : readMessage(text);
            if (!message) return socket.close(CloseCode.BadRequest, 'Invalid message received');
            // graphql-ws reports it only once the operation has a response.
            if (message.type === MessageType.Complete) opening.get(message.id)?.abort();
            const operation = message.type === MessageType.Subscribe && {
              parameters: message.payload,
              release: hold(Buffer.byteLength(text)),
            };
            if (operation) received.set(message.id, operation);
            const handled = receive(withoutParameters(message));
            // graphql-ws has refused it: otherwise `onSubscribe` would have taken it.
            if (operation && received.get(message.id) === operation) {
              received.delete(message.id);
              operation.release();
            }
            handled.catch((error: unknown) => {
              // The client's fault: the type is one that only servers send. The package throws where its protocol has a close code.
              if (error instanceof Error && error.message.startsWith('Unexpected message of type')) {
                return socket.close(CloseCode.BadRequest, 'Unexpected message received');
              }
              log.error({ err: error }, 'An operation over WebSocket has failed.');
              socket.close(CloseCode.InternalServerError, 'Something went wrong on our side.');
            });
          });
        },
      },
      { connection, socket, closed: closing.signal, opening, received, begin },
    );
    socket.once('close', (code, reason) => {
      closing.abort();
      for (const operation of opening.values()) operation.abort();
      void onClosed(code, String(reason));
    });
  };
};

/** Bytes of a client's ping or pong, besides its data. Source: RFC 6455, section 5.2. */
const FRAME_BYTES = 6;

/** Reads a message of a client. Returns undefined if it is invalid, or longer than it needs to be. */
const readMessage = (text: string): Message | undefined => {
  let message: Message;
  try {
    message = parseMessage(text);
  } catch {
    return undefined;
  }
  if (message.type !== MessageType.Subscribe) return text.length > MAX_OTHER_CHARS ? undefined : message;
  return message.id.length > MAX_ID_CHARS ? undefined : message;
};

/** Writes a message for graphql-ws, which keeps that of an operation for as long as it is open. */
const withoutParameters = (message: Message): string =>
  JSON.stringify(message.type === MessageType.Subscribe ? { ...message, payload: { query: '' } } : message);

/**
 * Opens a subscription, and returns its results, each taken when the last has been sent. Returns errors if it cannot be opened.
 * `onOver` is called when it has ended.
 */
const openIterator = async (
  open: Extract<SocketResult, { kind: 'subscription' }>['open'],
  closed: AbortSignal,
  onOver: () => void,
): Promise<AsyncGenerator<{ readonly payload: Payload }, void> | GraphQLError[]> => {
  let waiter: PromiseWithResolvers<IteratorResult<{ payload: Payload }, void>> | undefined;
  const last: Payload[] = [];
  let isOver = false;
  const DONE = { done: true, value: undefined } as const;

  const deliver = (payload: Payload): void => {
    waiter?.resolve({ done: false, value: { payload } });
    waiter = undefined;
  };
  const outbox = createOutbox((message, missed) => {
    deliver(toPayload(message, { missed }));
    return false;
  }, false);
  const finish = (): void => {
    const payload = last.shift();
    if (payload) deliver(payload);
    else {
      waiter?.resolve(DONE);
      waiter = undefined;
    }
  };
  let leave = (): void => {};
  const opened = await open({
    send: outbox.push,
    end: (reason) => {
      closed.removeEventListener('abort', leave);
      isOver = true;
      onOver();
      if (reason) last.push(toEndPayload(reason));
      if (waiter) finish();
    },
  });
  if (!('leave' in opened)) return [...opened];
  leave = (): void => {
    closed.removeEventListener('abort', leave);
    isOver = true;
    onOver();
    last.length = 0;
    opened.leave();
    finish();
  };
  closed.addEventListener('abort', leave, { once: true });
  if (closed.aborted) leave();
  const results: AsyncGenerator<{ readonly payload: Payload }, void> = {
    next: () => {
      waiter = Promise.withResolvers();
      const { promise } = waiter;
      outbox.drained();
      if (waiter && isOver) finish();
      return promise;
    },
    return: async () => {
      leave();
      return DONE;
    },
    throw: async (error: unknown) => {
      leave();
      throw error;
    },
    [Symbol.asyncIterator]: () => results,
    [Symbol.asyncDispose]: async () => leave(),
  };
  return results;
};
