import { Readable } from 'node:stream';

/** What a stream tells the exchange that it belongs to. */
export type ResponseStreamHooks = {
  /** There is room for more. */
  readonly onDemand: () => void;
  /** Something was taken by the reader. */
  readonly onRead: () => void;
  /** It was closed, by its end, its reader or an error. */
  readonly onClose: () => void;
};

/** Bytes that are buffered for the reader before the connection is paused. */
const BUFFERED_BYTES = 64 * 1024;

/** A response's body, read with back-pressure. */
export class ResponseStream extends Readable {
  bytesRead = 0;
  readonly #hooks: ResponseStreamHooks;

  constructor(hooks: ResponseStreamHooks) {
    super({ highWaterMark: BUFFERED_BYTES });
    this.#hooks = hooks;
    // An error that comes before anybody reads would otherwise end the process. Who reads later still gets it.
    this.on('error', () => {});
  }

  /** Adds a chunk. False where the reader has to catch up first. */
  add(chunk: Uint8Array): boolean {
    this.bytesRead += chunk.length;
    return this.push(chunk);
  }

  // biome-ignore lint/suspicious/noExplicitAny: the type that Node gives it
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
