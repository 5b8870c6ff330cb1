import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { MAX_KEPT } from './bounds.ts';
import { createFaults, type Fault } from './faults.ts';

export type SandboxRequest = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
};

export type SandboxResponse = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
};

/** What a call is about, worked out before anything else happens to it. */
export type Described = {
  /** The endpoint without ids: `GET /v1/customers/search`, `catalogInventoryStockItemList`. */
  readonly operation: string;
  /** What it asks for, e.g. the ids of a batch. */
  readonly keys: readonly string[];
};

/** One line of the call log. */
export type SandboxCall = Described & {
  /** When it arrived, in milliseconds since the sandbox's process began. */
  readonly at: number;
  /** The status it was answered with; null where the connection was dropped or left hanging. */
  status: number | null;
  readonly idempotencyKey: string | undefined;
  /** Whether the caller hung up before it had its answer. */
  clientAborted: boolean;
};

/** A stand-in for one provider, without its HTTP server. */
export type FakeProvider = {
  readonly describe: (request: SandboxRequest) => Described;
  readonly handle: (request: SandboxRequest, call: Described) => SandboxResponse;
  /** The provider's own way to say that something went wrong with this status. */
  readonly errorResponse: (status: number) => SandboxResponse;
};

/**
 * Runs the work of a call. What is thrown to end it, an error that knows its answer, is answered; anything else is a
 * fault of the stand-in.
 */
export const catchResponse = (work: () => SandboxResponse): SandboxResponse => {
  try {
    return work();
  } catch (error) {
    if (error instanceof Error && 'toResponse' in error) return (error as Error & ResponseError).toResponse();
    throw error;
  }
};

/** An error that ends a call in the provider's own way. */
export type ResponseError = { readonly toResponse: () => SandboxResponse };

export type Sandbox = {
  readonly url: string;
  /** The last 10,000 calls since the start or the last `reset`, oldest first, faults included. */
  readonly calls: readonly SandboxCall[];
  readonly fail: (fault: Fault) => void;
  /** Forgets the faults and the call log. The data stay. */
  readonly reset: () => void;
  readonly close: () => Promise<void>;
};

export type ListenOptions = {
  /** Default 0: any free port. */
  readonly port?: number | undefined;
  readonly host?: string | undefined;
};

/**
 * Serves a provider's stand-in on a real socket.
 *
 * Where it runs as a process of its own, the same control is at `/_sandbox/calls` (GET), `/_sandbox/faults` (POST one,
 * as JSON) and `/_sandbox` (DELETE forgets both); `/_sandbox/health` says that it runs.
 */
export const startSandboxServer = async (
  provider: FakeProvider,
  { port = 0, host = '127.0.0.1' }: ListenOptions = {},
): Promise<Sandbox> => {
  const faults = createFaults();
  const calls: SandboxCall[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const reset = () => {
    faults.clear();
    calls.length = 0;
  };

  const control = (request: SandboxRequest): SandboxResponse => {
    if (request.path === '/_sandbox/health') return { status: 200, body: '{"status":"ok"}' };
    if (request.path === '/_sandbox/calls') return { status: 200, body: JSON.stringify(calls) };
    if (request.path === '/_sandbox/faults' && request.method === 'POST') faults.add(JSON.parse(request.body) as Fault);
    else if (request.path === '/_sandbox' && request.method === 'DELETE') reset();
    else return { status: 404, body: '' };
    return { status: 204, body: '' };
  };

  const serve = async (message: IncomingMessage, response: ServerResponse) => {
    const url = new URL(message.url ?? '/', 'http://sandbox');
    const request: SandboxRequest = {
      method: message.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: message.headers,
      body: await text(message),
    };
    if (request.path.startsWith('/_sandbox')) return write(response, control(request));

    const described = provider.describe(request);
    const key = request.headers['idempotency-key'];
    const call: SandboxCall = {
      ...described,
      at: performance.now(),
      status: null,
      idempotencyKey: typeof key === 'string' ? key : undefined,
      clientAborted: false,
    };
    response.once('close', () => {
      call.clientAborted = !response.writableFinished;
    });
    calls.push(call);
    if (calls.length > MAX_KEPT) calls.shift();

    const fault = faults.take(call.operation, call.keys) ?? {};
    if (fault.drop === 'before') return message.socket.destroy();
    let answer =
      fault.status === undefined && fault.body === undefined
        ? provider.handle(request, described)
        : { ...provider.errorResponse(fault.status ?? 200), ...(fault.body !== undefined && { body: fault.body }) };
    if (fault.drop === 'after') return message.socket.destroy();
    if (fault.hang) return undefined;
    if (fault.rewrite) answer = { ...answer, body: fault.rewrite(answer.body) };
    answer = { ...answer, headers: { ...answer.headers, ...fault.headers } };
    call.status = answer.status;
    await fault.until;
    if (fault.bytes) return streamBytes(response, answer, fault.bytes);
    if (!fault.delayMs) return write(response, answer);
    const timer = setTimeout(() => {
      timers.delete(timer);
      write(response, answer);
    }, fault.delayMs);
    timers.add(timer);
    return undefined;
  };

  const server = createServer((message, response) => {
    serve(message, response).catch((error: unknown) => {
      // A caller that gives up while sending is its own business; anything else is a fault of the sandbox.
      if (message.destroyed && !message.complete) return;
      console.error('The sandbox failed:', error);
      write(response, provider.errorResponse(500));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;

  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    calls,
    fail: faults.add,
    reset,
    close: async () => {
      for (const timer of timers) clearTimeout(timer);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
};

/** Sends as many bytes as asked, no faster than they are taken. */
const streamBytes = (response: ServerResponse, { status, headers }: SandboxResponse, bytes: number): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  const chunk = Buffer.alloc(64 * 1024, 'x');
  function* chunks() {
    for (let sent = 0; sent < bytes; sent += chunk.length) yield chunk;
  }
  // The other side may well hang up; that is what this is for.
  pipeline(Readable.from(chunks()), response, () => {});
};

const write = (response: ServerResponse, { status, headers, body }: SandboxResponse): void => {
  response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers });
  response.end(body);
};
