import type { FetcherParams } from '@graphiql/toolkit';
import type { ExecutionResult } from 'graphql';
import { createClient, NetworkError } from 'graphql-sse';
import { forgetReport, REPORT_HEADERS } from '../cost/report.ts';
import { send, URL } from '../send.ts';
import { addMessage, type Result, setStreamState, startStream } from './messages.ts';

/** Subscribes over server-sent events. The returned iterator ends the subscription when GraphiQL's button stops it. */
export const subscribe = (
  { query, operationName, variables }: FetcherParams,
  headers: Readonly<Record<string, string>>,
): AsyncIterableIterator<ExecutionResult> => {
  startStream();
  forgetReport();
  const client = createClient({
    url: URL,
    headers: { ...REPORT_HEADERS, ...headers },
    // A stream that is lost is shown as such.
    retryAttempts: 0,
    fetchFn: async (input: string, init: RequestInit) => {
      const response = await send(input, init);
      if (response.ok) setStreamState('open');
      return response;
    },
  });
  const results = client.iterate<Record<string, unknown>>({
    query,
    ...(operationName != null && { operationName }),
    variables: variables as Record<string, unknown>,
  });
  let isOver = false;
  const finish = (): { done: true; value: undefined } => {
    isOver = true;
    setStreamState('ended');
    return { done: true, value: undefined };
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: async () => {
      if (isOver) return finish();
      try {
        const { done, value } = await results.next();
        if (done) return finish();
        addMessage(value as Result);
        return { done: false, value: value as ExecutionResult };
      } catch (error) {
        finish();
        const refusal = await readRefusal(error);
        if (!refusal) throw error;
        return { done: false, value: refusal };
      }
    },
    return: async () => {
      await results.return?.();
      return finish();
    },
  };
};

/** Returns the GraphQL result by which the gateway has refused a subscription. Undefined for other failures. */
const readRefusal = async (error: unknown): Promise<ExecutionResult | undefined> => {
  const { response } = error instanceof NetworkError ? (error as NetworkError<Response>) : {};
  try {
    return response && ((await response.json()) as ExecutionResult);
  } catch {
    return undefined;
  }
};
