import type { FastifyReply } from 'fastify';
import { STREAM_HEADERS } from './event-stream.ts';
import { onResponseClose } from './on-response-close.ts';

/** Sends the head of a response that is written piece by piece, with the headers that the reply has. */
export const beginStream = (reply: FastifyReply, headers: Readonly<Record<string, string>>): FastifyReply['raw'] => {
  const { raw } = reply.hijack();
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value);
  return raw.writeHead(200, { ...STREAM_HEADERS, ...headers });
};

/**
 * Creates the function that writes to such a response, and returns whether the client takes more at once. If the client has not read
 * everything that was sent for `writeTimeoutMs`, its connection is closed. `onDrain` is called when it has read everything.
 */
export const createStreamWriter = (
  response: FastifyReply['raw'],
  { writeTimeoutMs, onDrain }: { readonly writeTimeoutMs: number; readonly onDrain?: () => void },
): ((text: string) => boolean) => {
  let timer: NodeJS.Timeout | undefined;
  const stopTimer = (): void => {
    clearTimeout(timer);
    timer = undefined;
  };
  const close = (): void => {
    // Once it has ended, there is no 'drain' any more, and the server times its last bytes.
    if (!response.writableEnded) response.destroy();
  };
  response.on('drain', () => {
    stopTimer();
    onDrain?.();
  });
  onResponseClose(response, stopTimer);
  return (text) => {
    const isReady = response.write(text);
    if (!isReady) timer ??= setTimeout(close, writeTimeoutMs).unref();
    return isReady;
  };
};
