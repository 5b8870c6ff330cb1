import type { ProviderResponse, ResponseStream, ResponseType } from './chain.ts';

/** Whether a response's body is text. */
export const isText = (response: ProviderResponse<ResponseType>): response is ProviderResponse =>
  typeof response.body === 'string';

/** Whether the status is 200 to 299. */
export const isOk = ({ status }: Pick<ProviderResponse, 'status'>): boolean => status >= 200 && status < 300;

/** The body of a response that is still arriving; undefined if it was read whole. */
export const streamOf = ({ body }: ProviderResponse<ResponseType>): ResponseStream | undefined =>
  typeof body === 'string' || body instanceof Uint8Array ? undefined : body;

/** Runs `listener` when a stream is closed, with the error that closed it, or null. */
export const onClose = (stream: ResponseStream, listener: (error: Error | null) => void): void => {
  if (stream.closed) listener(stream.errored);
  else stream.once('close', () => listener(stream.errored));
};
