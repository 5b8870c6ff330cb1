import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

export type RawSocket = {
  readonly socket: Socket;
  readonly write: (text: string) => void;
  /** Returns the received text so far. */
  readonly received: () => string;
  /** Waits until this text is received. */
  readonly until: (text: string) => Promise<void>;
  /** Resolves to the received text when the connection is closed, by either side and for any reason. */
  readonly closed: Promise<string>;
  /** Whether the connection still exists. For sockets that do not read and so get no event. Linux only. */
  readonly isOpen: () => boolean;
};

const LOOPBACK: Readonly<Record<number, string>> = { 4: '127.0.0.1', 6: '::1' };

/** Opens a raw connection to a server. With `isDeaf` it reads nothing until its socket is resumed. */
export const connectRaw = async (url: string, { isDeaf = false, family = 4 } = {}): Promise<RawSocket> => {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname === 'localhost' ? LOOPBACK[family] : hostname, port: Number(port) });
  if (isDeaf) socket.pause();
  const chunks: string[] = [];
  const received = () => chunks.join('');
  const watchers = new Set<(news: string) => void>();
  socket.on('data', (data) => {
    const chunk = data.toString('latin1');
    // The text may span two chunks. Only the end of the previous chunk is searched again, because responses can be long.
    const news = (chunks.at(-1)?.slice(-100) ?? '') + chunk;
    chunks.push(chunk);
    for (const watch of watchers) watch(news);
  });
  if (isDeaf) socket.pause();
  socket.on('error', () => {});
  const closed = new Promise<string>((resolve) => {
    socket.once('close', () => resolve(received()));
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  const localPort = socket.localPort ?? 0;
  return {
    socket,
    write: (text) => void socket.write(text),
    received,
    until: (text) =>
      new Promise((resolve, reject) => {
        const watch = (news: string) => {
          if (!news.includes(text)) return;
          watchers.delete(watch);
          resolve();
        };
        watchers.add(watch);
        void closed.then(() => reject(new Error(`The connection was closed. Received: ${received().slice(0, 500)}`)));
        watch(received());
      }),
    closed,
    isOpen: () => isEstablished(localPort),
  };
};

/** Whether an established connection from this loopback port exists. Linux only. */
export const isEstablished = (port: number): boolean => {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .some((line) => line.trim().split(/\s+/)[1] === address && line.trim().split(/\s+/)[3] === '01');
};

/** Returns the text of a JSON POST to `/graphql`. `length` may exceed the body's length. */
export const postText = (
  body: string,
  { length = Buffer.byteLength(body), headers = '', path = '/graphql' } = {},
): string =>
  `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n${headers}\r\n${body}`;

/** Parses the JSON body of a response's text. */
export const bodyOf = (response: string): unknown => JSON.parse(response.slice(response.lastIndexOf('\r\n\r\n') + 4));

/** Reads a large response in about two seconds, or more slowly with a longer pause after each chunk, in milliseconds. */
export const readSlowly = ({ socket }: RawSocket, pauseMs = 8): void => {
  socket.on('data', () => {
    socket.pause();
    setTimeout(() => socket.resume(), pauseMs);
  });
  socket.resume();
};
