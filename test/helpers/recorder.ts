import { text } from 'node:stream/consumers';
import { startHttpServer } from './http-server.ts';

/** A recorded request and its response. */
export type Exchange = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly requestType: string | undefined;
  readonly request: string;
  readonly status: number;
  readonly answerType: string | null;
  readonly answer: string;
};

/** Starts a proxy that records all exchanges with its target. */
export const startRecorder = async (target: string) => {
  const exchanges: Exchange[] = [];
  const { url, close } = await startHttpServer(async (message, response) => {
    const { pathname, searchParams } = new URL(message.url ?? '/', target);
    const { authorization = '', 'content-type': requestType } = message.headers;
    const request = await text(message);
    const passed = await fetch(new URL(message.url ?? '/', target), {
      method: message.method ?? 'GET',
      headers: { authorization, ...(requestType !== undefined && { 'content-type': requestType }) },
      ...(request !== '' && { body: request }),
    }).catch(() => undefined);
    // The target closed the connection, so close this one too.
    if (!passed) return void response.destroy();
    const answer = await passed.text();
    const answerType = passed.headers.get('content-type');
    exchanges.push({
      method: message.method ?? 'GET',
      path: pathname,
      query: searchParams,
      requestType,
      request,
      status: passed.status,
      answerType,
      answer,
    });
    response.writeHead(passed.status, answerType === null ? {} : { 'content-type': answerType });
    response.end(answer);
    return undefined;
  });
  return { url, exchanges, close };
};
