import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { createHostPolicy, type HostPolicy } from '../runtime/hosts.ts';
import { MAX_ENTRIES } from './bounds.ts';
import { createFaults, type Fault } from './faults.ts';
import { isJson, refuseOtherSites } from './guard.ts';
import type { Delivery, WebhookFault, WebhookSender, WebhookTarget } from './webhooks.ts';

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

/** The operation and keys of a request, determined before it is handled. */
export type CallDescription = {
  /** The endpoint without ids, e.g. `GET /v1/customers/search`, `catalogInventoryStockItemList`. */
  readonly operation: string;
  /** The requested keys, e.g. the ids of a batch. */
  readonly keys: readonly string[];
};

/** An entry of the call log. */
export type SandboxCall = CallDescription & {
  /** When the request arrived, in milliseconds since the start of the sandbox's process. */
  readonly at: number;
  /** The response's status; null if the connection was dropped or left hanging. */
  status: number | null;
  readonly idempotencyKey: string | undefined;
  /** Whether the client disconnected before it received the response. */
  clientAborted: boolean;
};

/** A fake provider, without its HTTP server. */
export type FakeProvider = {
  readonly describe: (request: SandboxRequest) => CallDescription;
  readonly handle: (request: SandboxRequest, call: CallDescription) => SandboxResponse;
  /** Returns the provider's error response for a status. */
  readonly errorResponse: (status: number) => SandboxResponse;
};

/**
 * Runs a request's handler and converts a thrown `ResponseError` to its response. Any other error is a bug of the
 * sandbox and is rethrown.
 */
export const catchResponse = (work: () => SandboxResponse): SandboxResponse => {
  try {
    return work();
  } catch (error) {
    if (error instanceof Error && 'toResponse' in error) return (error as Error & ResponseError).toResponse();
    throw error;
  }
};

/** An error with the response that it becomes. */
export type ResponseError = { readonly toResponse: () => SandboxResponse };

export type Sandbox = {
  readonly url: string;
  /** The last 10,000 requests since the start or the last `reset`, oldest first, including those with faults. */
  readonly calls: readonly SandboxCall[];
  readonly fail: (fault: Fault | WebhookFault) => void;
  /** Reports changes to this URL from now on, as the provider's webhooks do. Undefined if the provider has none. */
  readonly sendWebhooks: ((target: WebhookTarget) => void) | undefined;
  /** The last 10,000 attempts to report changes, oldest first. */
  readonly deliveries: readonly Delivery[];
  /** Clears the faults and the logs. The data stay. */
  readonly reset: () => void;
  readonly close: () => Promise<void>;
};

export type ListenOptions = {
  /** Default: 0, any free port. */
  readonly port?: number | undefined;
  readonly host?: string | undefined;
  /** The host names under which clients may reach the sandbox. Default: `host`, IP addresses and `localhost`. */
  readonly hosts?: HostPolicy | undefined;
  /** Whether it can be controlled over HTTP. Default: no. */
  readonly control?: boolean | undefined;
};

/** What a sandbox server may be given beside its provider. */
export type ServerOptions = ListenOptions & { readonly webhooks?: WebhookSender | undefined };

/**
 * Serves a fake provider on a real socket.
 *
 * With `control`, a sandbox in another process is controlled over HTTP: `GET /_sandbox/calls`, `POST /_sandbox/faults` (one
 * fault as `application/json`) and `DELETE /_sandbox` (clears both). `POST /_sandbox/webhooks` with `url` and `secret` turns on its
 * webhooks, and `GET /_sandbox/deliveries` lists their attempts. `GET /_sandbox/health` is the health check.
 */
export const startSandboxServer = async (
  provider: FakeProvider,
  {
    port = 0,
    host = '127.0.0.1',
    hosts = createHostPolicy([host.toLowerCase()]),
    control = false,
    webhooks,
  }: ServerOptions = {},
): Promise<Sandbox> => {
  const faults = createFaults();
  const calls: SandboxCall[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const reset = () => {
    faults.clear();
    webhooks?.reset();
    calls.length = 0;
  };
  const fail = (fault: Fault | WebhookFault): void => {
    if (!('webhook' in fault)) faults.add(fault);
    else if (webhooks) webhooks.fail(fault);
    else throw new Error('This provider has no webhooks.');
  };

  const handleControl = (request: SandboxRequest): SandboxResponse => {
    if (request.path === '/_sandbox/health') return { status: 200, body: '{"status":"ok"}' };
    if (!control) return { status: 404, body: 'The control endpoints are off. Set SANDBOX_CONTROL=on.\n' };
    if (request.method === 'POST' && !isJson(request.headers)) {
      return { status: 415, body: 'Send the fault as application/json.\n' };
    }
    if (request.path === '/_sandbox/calls') return { status: 200, body: JSON.stringify(calls) };
    if (request.path === '/_sandbox/deliveries')
      return { status: 200, body: JSON.stringify(webhooks?.deliveries ?? []) };
    if (request.path === '/_sandbox/faults' && request.method === 'POST') fail(JSON.parse(request.body) as Fault);
    else if (request.path === '/_sandbox/webhooks' && request.method === 'POST' && webhooks) {
      webhooks.setTarget(JSON.parse(request.body) as WebhookTarget);
    } else if (request.path === '/_sandbox' && request.method === 'DELETE') reset();
    else return { status: 404, body: '' };
    return { status: 204, body: '' };
  };

  const serve = async (message: IncomingMessage, response: ServerResponse) => {
    const refusal = refuseOtherSites(message.headers, hosts);
    if (refusal) return write(response, { ...refusal, headers: { connection: 'close' } });
    const url = new URL(message.url ?? '/', 'http://sandbox');
    const request: SandboxRequest = {
      method: message.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: message.headers,
      body: await text(message),
    };
    if (request.path.startsWith('/_sandbox')) return write(response, handleControl(request));

    const description = provider.describe(request);
    const key = request.headers['idempotency-key'];
    const call: SandboxCall = {
      ...description,
      at: performance.now(),
      status: null,
      idempotencyKey: typeof key === 'string' ? key : undefined,
      clientAborted: false,
    };
    response.once('close', () => {
      call.clientAborted = !response.writableFinished;
    });
    calls.push(call);
    if (calls.length > MAX_ENTRIES) calls.shift();

    const fault = faults.take(call.operation, call.keys) ?? {};
    if (fault.drop === 'before') return message.socket.destroy();
    let reply =
      fault.status === undefined && fault.body === undefined
        ? provider.handle(request, description)
        : { ...provider.errorResponse(fault.status ?? 200), ...(fault.body !== undefined && { body: fault.body }) };
    if (fault.drop === 'after') return message.socket.destroy();
    if (fault.hang) return undefined;
    if (fault.rewrite) reply = { ...reply, body: fault.rewrite(reply.body) };
    reply = { ...reply, headers: { ...reply.headers, ...fault.headers } };
    call.status = reply.status;
    await fault.until;
    if (fault.bytes) return streamBytes(response, reply, fault.bytes);
    if (!fault.delayMs) return write(response, reply);
    const timer = setTimeout(() => {
      timers.delete(timer);
      write(response, reply);
    }, fault.delayMs);
    timers.add(timer);
    return undefined;
  };

  const server = createServer((message, response) => {
    serve(message, response).catch((error: unknown) => {
      // Ignore a client that disconnects while sending; anything else is a bug of the sandbox.
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
    fail,
    sendWebhooks: webhooks?.setTarget,
    deliveries: webhooks?.deliveries ?? [],
    reset,
    close: async () => {
      for (const timer of timers) clearTimeout(timer);
      webhooks?.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
};

/** Streams a body of `bytes` bytes, with backpressure. */
const streamBytes = (response: ServerResponse, { status, headers }: SandboxResponse, bytes: number): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  const chunk = Buffer.alloc(64 * 1024, 'x');
  function* chunks() {
    for (let sent = 0; sent < bytes; sent += chunk.length) yield chunk;
  }
  // The client is expected to disconnect.
  pipeline(Readable.from(chunks()), response, () => {});
};

const write = (response: ServerResponse, { status, headers, body }: SandboxResponse): void => {
  response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers });
  response.end(body);
};
