import { createServer, type IncomingMessage, request as requestOverHttp, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Odd } from './odd-bodies.ts';

/** A proxy that passes on requests and responses, or gives invalid responses. */
export type OddServer = {
  readonly url: string;
  /** The invalid response; undefined: passes on the target's. */
  odd: Odd | { readonly name: string; readonly raw: readonly (string | Buffer)[] } | undefined;
  /** Selects the requests that get the invalid response. Default: all. */
  matches: (request: IncomingMessage, body: Buffer) => boolean;
  /** The number of invalid responses. */
  readonly count: () => number;
  readonly close: () => Promise<void>;
};

/** Starts a proxy in front of `target`. */
export const startOddServer = async (
  target: string,
  matches: OddServer['matches'] = () => true,
): Promise<OddServer> => {
  let count = 0;
  const forward = ({ method, url, headers }: IncomingMessage, body: Buffer) =>
    new Promise<{ answer: IncomingMessage; body: Buffer }>((resolve, reject) => {
      const passed = requestOverHttp(`${target}${url}`, { method, headers: { ...headers, connection: 'close' } });
      passed.once('error', reject);
      passed.once('response', async (answer) => resolve({ answer, body: await buffer(answer) }));
      passed.end(body);
    });

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const sent = await buffer(request);
    const odd = server.matches(request, sent) ? server.odd : undefined;
    if (odd) count += 1;
    if (odd && 'raw' in odd) {
      for (const part of odd.raw) request.socket.write(part);
      request.socket.end();
      return;
    }
    const { answer, body } = await forward(request, sent);
    const { 'content-length': _, connection: __, 'transfer-encoding': ___, ...headers } = answer.headers;
    if (!odd) response.writeHead(answer.statusCode ?? 500, headers).end(body);
    else response.writeHead(odd.status ?? answer.statusCode ?? 200, { ...headers, ...odd.headers }).end(odd.body(body));
  };

  const http = createServer((request, response) => {
    serve(request, response).catch(() => request.socket.destroy());
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => http.once('listening', resolve));
  const server: OddServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    odd: undefined,
    matches,
    count: () => count,
    close: async () => {
      const closed = new Promise((resolve) => http.close(resolve));
      http.closeAllConnections();
      await closed;
    },
  };
  return server;
};

const head = (lines: readonly string[]) => `${['HTTP/1.1 200 OK', ...lines].join('\r\n')}\r\n\r\n`;

/** Invalid or incomplete HTTP. */
export const ODD_HTTP: readonly { readonly name: string; readonly raw: readonly (string | Buffer)[] }[] = [
  { name: 'nothing', raw: [] },
  { name: 'noise', raw: [Buffer.from(Array.from({ length: 2_000 }, (_, index) => (index * 167 + 13) % 256))] },
  { name: 'a greeting in another protocol', raw: ['220 mail.example ESMTP\r\n'] },
  { name: 'half a status line', raw: ['HTTP/1.'] },
  { name: 'a status of four digits', raw: ['HTTP/1.1 2000 OK\r\n\r\n'] },
  { name: 'a negative status', raw: ['HTTP/1.1 -1 OK\r\n\r\n'] },
  { name: 'a hundred 100 Continue without a response', raw: ['HTTP/1.1 100 Continue\r\n\r\n'.repeat(100)] },
  {
    name: 'switching protocols',
    raw: ['HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n{}'],
  },
  { name: 'early hints', raw: ['HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n', head(['content-length: 2']), '{}'] },
  { name: 'a negative length', raw: [head(['content-length: -1']), '{}'] },
  { name: 'a length that is not a number', raw: [head(['content-length: x']), '{}'] },
  { name: 'two lengths', raw: [head(['content-length: 2', 'content-length: 3']), '{}'] },
  { name: 'a huge length', raw: [head(['content-length: 99999999999999999999999']), '{}'] },
  { name: 'more than the length', raw: [head(['content-length: 2']), '{"a":1}'] },
  { name: 'less than the length', raw: [head(['content-length: 100']), '{'] },
  {
    name: 'a length and chunks',
    raw: [head(['content-length: 2', 'transfer-encoding: chunked']), '2\r\n{}\r\n0\r\n\r\n'],
  },
  { name: 'invalid chunks', raw: [head(['transfer-encoding: chunked']), 'hello\r\n'] },
  { name: 'a chunk of a negative size', raw: [head(['transfer-encoding: chunked']), '-2\r\n{}\r\n0\r\n\r\n'] },
  { name: 'a chunk of a huge size', raw: [head(['transfer-encoding: chunked']), 'ffffffffffffffffff\r\n{}'] },
  { name: 'chunks without a last one', raw: [head(['transfer-encoding: chunked']), '2\r\n{}\r\n'] },
  {
    name: 'an unusual trailer',
    raw: [head(['transfer-encoding: chunked']), '2\r\n{}\r\n0\r\n__proto__: x\r\n\r\n'],
  },
  { name: 'ten thousand headers', raw: [head(Array.from({ length: 10_000 }, (_, i) => `h${i}: x`)), '{}'] },
  { name: 'a header of a megabyte', raw: [head([`h: ${'x'.repeat(1_000_000)}`]), '{}'] },
  { name: 'an invalid header', raw: [head(['hello']), '{}'] },
  { name: 'a header with a null character', raw: [head(['h: \u0000']), '{}'] },
  {
    name: 'headers named like inherited properties',
    raw: [head(['__proto__: x', 'constructor: y', 'content-length: 2']), '{}'],
  },
  { name: 'a folded header', raw: [head(['h: a\r\n b', 'content-length: 2']), '{}'] },
  {
    name: 'two Retry-After headers',
    raw: ['HTTP/1.1 400 X\r\nretry-after: 1\r\nretry-after: 2\r\ncontent-length: 2\r\n\r\n{}'],
  },
  { name: 'two responses', raw: [head(['content-length: 2']), '{}', head(['content-length: 2']), '{}'] },
];
