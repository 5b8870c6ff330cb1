import { Readable } from 'node:stream';

/** Callbacks from a stream to the exchange that it belongs to. */
export type ResponseStreamHooks = {
  /** The buffer has room for more. */
  readonly onDemand: () => void;
  /** The reader has taken a chunk. */
  readonly onRead: () => void;
  /** The stream was closed, by its end, its reader or an error. */
  readonly onClose: () => void;
};

/** Bytes that are buffered for the reader before the connection is paused. */
const BUFFERED_BYTES = 64 * 1024;

/** A response body, read with back-pressure. */
export class ResponseStream extends Readable {
  bytesRead = 0;
  readonly #hooks: ResponseStreamHooks;

  constructor(hooks: ResponseStreamHooks) {
    super({ highWaterMark: BUFFERED_BYTES });
    this.#hooks = hooks;
    // An error before a reader is attached would otherwise end the process. A later reader still receives it.
    this.on('error', () => {});
  }

  /** Adds a chunk. False if the reader has to catch up first. */
  add(chunk: Uint8Array): boolean {
    this.bytesRead += chunk.length;
    return this.push(chunk);
  }

  // biome-ignore lint/suspicious/noExplicitAny: the type that Node declares
  override read(size?: number): any {
    const chunk: unknown = super.read(size);
    if (chunk !== null) this.#hooks.onRead();
    return chunk;
  }

  override _read(): void {
    this.#hooks.onDemand();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#hooks.onClose();
    callback(error);
  }
}
