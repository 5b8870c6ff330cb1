import { connect, type Socket } from 'node:net';

/* What goes on at sockets, below HTTP: peers that send or read nothing. */

export type SocketCase = {
  readonly name: string;
  readonly run: (url: string) => Promise<{ readonly isRight: boolean; readonly details: string }>;
};

/** More than the requests that run and wait at once by default, which each of these would have held. */
const CONNECTIONS = 2_100;

/** How long a polite request may take beside them, in milliseconds: far more than it does, far less than an outage. */
const PATIENCE_MS = 5_000;

const open = (url: string, text: string, reads = true): Promise<Socket> => {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) }, () => {
      socket.write(text);
      if (reads) socket.resume();
      else socket.pause();
      resolve(socket);
    });
    // The gateway may well hang up; that is what this is for.
    socket.on('error', () => resolve(socket));
  });
};

const request = (body: string, length = Buffer.byteLength(body)): string =>
  `POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`;

const beside = async (url: string, sockets: readonly Socket[]) => {
  const sentAt = performance.now();
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"query":"{ __typename }"}',
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).catch(() => undefined);
  const ms = performance.now() - sentAt;
  for (const socket of sockets) socket.destroy();
  return {
    isRight: response?.status === 200,
    details: `${sockets.length} connections, another client's request ${response?.status ?? 'unanswered'} after ${ms.toFixed(0)} ms`,
  };
};

/** Answered with more than sockets buffer. */
const LARGE = JSON.stringify({
  query: `{ customers(first: 100) { edges { node { ${Array.from({ length: 100 }, (_, index) => `a${index}: email`).join(' ')} } } } }`,
});

export const SOCKET_CASES: readonly SocketCase[] = [
  {
    name: 'requests whose body never ends',
    run: async (url) =>
      beside(url, await Promise.all(Array.from({ length: CONNECTIONS }, () => open(url, request('{"query":', 1_000))))),
  },
  {
    name: 'requests whose headers never end',
    run: async (url) =>
      beside(
        url,
        await Promise.all(
          Array.from({ length: CONNECTIONS }, () => open(url, 'POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\n')),
        ),
      ),
  },
  {
    name: 'clients that do not read their answer',
    run: async (url) =>
      beside(url, await Promise.all(Array.from({ length: CONNECTIONS }, () => open(url, request(LARGE), false)))),
  },
];
