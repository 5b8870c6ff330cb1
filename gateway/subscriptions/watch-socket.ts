import type { WebSocket } from 'ws';

export type SocketWatchOptions = {
  /** Time between pings, in milliseconds. */
  readonly heartbeatMs: number;
  /** Whether reading is paused, so that no answer can arrive. */
  readonly isPaused?: () => boolean;
};

/**
 * Terminates a WebSocket whose peer answers no ping until the next one is due: a lost connection looks like a quiet one. Returns a
 * function that counts as an answer.
 */
export const watchSocket = (socket: WebSocket, { heartbeatMs, isPaused }: SocketWatchOptions): (() => void) => {
  let isAlive = true;
  const setAlive = (): void => {
    isAlive = true;
  };
  const timer = setInterval(() => {
    if (isPaused?.()) return setAlive();
    if (!isAlive) return socket.terminate();
    isAlive = false;
    socket.ping();
  }, heartbeatMs).unref();
  socket.on('pong', setAlive);
  socket.on('message', setAlive);
  socket.once('close', () => clearInterval(timer));
  return setAlive;
};
