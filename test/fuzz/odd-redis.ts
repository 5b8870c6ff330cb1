import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';

/** A fake Redis that speaks enough of the protocol, and gives invalid replies to some commands. */
export type OddRedis = {
  readonly url: string;
  /** The reply to commands that store and read data; undefined: as from an empty Redis. */
  odd: string | Buffer | 'close' | 'silence' | undefined;
  /** The number of commands with an invalid reply. */
  readonly count: () => number;
  readonly close: () => Promise<void>;
};

/** Valid replies to the commands of the handshake and the health check. */
const ANSWERS: Readonly<Record<string, () => string>> = {
  PING: () => '+PONG\r\n',
  CLIENT: () => '+OK\r\n',
  HELLO: () => '-ERR unknown command\r\n',
  TIME: () => {
    const now = Date.now();
    const micros = `${now % 1_000}000`;
    return `*2\r\n$10\r\n${Math.floor(now / 1_000)}\r\n$${micros.length}\r\n${micros}\r\n`;
  },
  // On a busy machine its clock can seem to be set back, whereupon the gateway clears the cache.
  SCAN: () => '*2\r\n$1\r\n0\r\n*0\r\n',
};

/** Creates an empty Redis that stores nothing. */
const createEmpty = () => {
  let queued = 0;
  return (name: string): string => {
    if (name === 'MULTI') queued = 0;
    if (name === 'SET') queued += 1;
    if (name === 'EXEC') return `*${queued}\r\n${'+OK\r\n'.repeat(queued)}`;
    if (name === 'EVAL') return ':0\r\n';
    return name === 'MULTI' ? '+OK\r\n' : name === 'SET' ? '+QUEUED\r\n' : '$-1\r\n';
  };
};

export const startOddRedis = async (): Promise<OddRedis> => {
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    const answerAsEmpty = createEmpty();
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (let command = takeCommand(text); command; command = takeCommand(text)) {
        text = text.slice(command.length);
        answer(socket, command.name, answerAsEmpty);
      }
    });
  }).listen(0, '127.0.0.1');

  const answer = (socket: Socket, name: string, answerAsEmpty: (name: string) => string) => {
    const known = ANSWERS[name];
    if (known) return socket.write(known());
    if (redis.odd === undefined) return socket.write(answerAsEmpty(name));
    count += 1;
    if (redis.odd === 'close') return socket.destroy();
    return redis.odd === 'silence' ? undefined : socket.write(redis.odd);
  };

  await new Promise((resolve) => server.once('listening', resolve));
  const redis: OddRedis = {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    odd: undefined,
    count: () => count,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return redis;
};

/** Parses the first complete command of a text, an array of bulk strings. */
const takeCommand = (text: string): { readonly name: string; readonly length: number } | undefined => {
  const start = /^\*(\d+)\r\n/.exec(text);
  if (!start) return undefined;
  let at = start[0].length;
  let name = '';
  for (let part = 0; part < Number(start[1]); part += 1) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at, at + 20));
    if (!size) return undefined;
    const from = at + size[0].length;
    at = from + Number(size[1]) + 2;
    if (at > text.length) return undefined;
    if (part === 0) name = text.slice(from, at - 2).toUpperCase();
  }
  return { name, length: at };
};

const DEEP = 10_000;

export const ODD_REPLIES: readonly (readonly [name: string, reply: OddRedis['odd']])[] = [
  ['a closed connection', 'close'],
  ['nothing', 'silence'],
  ['OK', '+OK\r\n'],
  ['QUEUED', '+QUEUED\r\n'],
  ['an error', '-ERR no\r\n'],
  ['an error without text', '-\r\n'],
  ['READONLY', "-READONLY You can't write against a read only replica.\r\n"],
  ['LOADING', '-LOADING Redis is loading the dataset in memory\r\n'],
  ['MOVED', '-MOVED 1 127.0.0.1:1\r\n'],
  ['OOM', '-OOM command not allowed\r\n'],
  ['NOAUTH', '-NOAUTH Authentication required.\r\n'],
  ['a number', ':1\r\n'],
  ['a negative number', ':-1000000\r\n'],
  ['a huge number', ':99999999999999999999999\r\n'],
  ['an invalid number', ':x\r\n'],
  ['a year', ':31536000000\r\n'],
  ['a text', '$5\r\nhello\r\n'],
  ['an empty text', '$0\r\n\r\n'],
  ['no text', '$-1\r\n'],
  ['a text with a negative length', '$-5\r\n'],
  ['a truncated text', '$100\r\nhello'],
  ['a text with a huge length', '$99999999999999\r\nhello'],
  ['a text with an invalid length', '$x\r\nhello\r\n'],
  ['a list', '*2\r\n$1\r\na\r\n$1\r\nb\r\n'],
  ['an empty list', '*0\r\n'],
  ['no list', '*-1\r\n'],
  ['a list of errors', '*3\r\n-ERR a\r\n-ERR b\r\n-ERR c\r\n'],
  ['a list with a huge length', '*4294967296\r\n'],
  ['a list of a hundred million', '*100000000\r\n:1\r\n'],
  ['ten thousand nested lists', '*1\r\n'.repeat(DEEP)],
  ['ten thousand replies', ':1\r\n'.repeat(DEEP)],
  ['a million numbers', `*1000000\r\n${':1\r\n'.repeat(1_000_000)}`],
  ['a text of a megabyte', `$1000000\r\n${'x'.repeat(1_000_000)}\r\n`],
  ['null', '_\r\n'],
  ['a boolean', '#t\r\n'],
  ['a fraction', ',1.5\r\n'],
  ['no number', ',nan\r\n'],
  ['infinity', ',inf\r\n'],
  ['a big number', '(3492890328409238509324850943850943825024385\r\n'],
  ['a verbatim text', '=9\r\ntxt:hello\r\n'],
  ['a map', '%1\r\n$1\r\na\r\n:1\r\n'],
  ['a set', '~2\r\n:1\r\n:2\r\n'],
  ['a push', '>2\r\n$7\r\nmessage\r\n$1\r\na\r\n'],
  ['a bulk error', '!5\r\nERR x\r\n'],
  ['unexpected replies', '+OK\r\n+OK\r\n+OK\r\n'],
  ['HTTP', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
  ['line breaks', '\r\n\r\n\r\n'],
  ['zeros', Buffer.alloc(1_000)],
  ['noise', Buffer.from(Array.from({ length: 2_000 }, (_, index) => (index * 167 + 13) % 256))],
];
