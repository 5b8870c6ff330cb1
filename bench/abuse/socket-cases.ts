import { connect, type Socket } from 'node:net';

/* Attacks below HTTP: clients that stop sending or reading. */

export type SocketCase = {
  readonly name: string;
  readonly run: (url: string) => Promise<{ readonly isRight: boolean; readonly details: string }>;
};

/** More connections than requests may run and wait by default. */
const CONNECTIONS = 2_100;

/** Timeout of a regular request beside them, in milliseconds: far more than it takes, far less than an outage. */
const REGULAR_TIMEOUT_MS = 5_000;

const open = (url: string, text: string, reads = true): Promise<Socket> => {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) }, () => {
      socket.write(text);
      if (reads) socket.resume();
      else socket.pause();
      resolve(socket);
    });
    // The gateway is expected to disconnect.
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
    signal: AbortSignal.timeout(REGULAR_TIMEOUT_MS),
  }).catch(() => undefined);
  const ms = performance.now() - sentAt;
  for (const socket of sockets) socket.destroy();
  return {
    isRight: response?.status === 200,
    details: `${sockets.length} connections, another client's request ${response?.status ?? 'unanswered'} after ${ms.toFixed(0)} ms`,
  };
};

/** An operation whose response exceeds socket buffers. */
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
    name: 'clients that do not read the response',
    run: async (url) =>
      beside(url, await Promise.all(Array.from({ length: CONNECTIONS }, () => open(url, request(LARGE), false)))),
  },
];
