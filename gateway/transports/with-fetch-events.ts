import { monotonicNow } from '../../runtime/clock.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { createSpanId } from '../../telemetry/traces/trace-context.ts';
import type { SubgraphError } from '../execution/subgraph-request.ts';
import type { Transport } from './transport.ts';

/** Wraps a transport so that it announces its fetches. */
export const withFetchEvents = (subgraph: string, transport: Transport, { emit }: Telemetry): Transport => ({
  ...transport,
  prepare: (operation) => {
    const send = transport.prepare(operation);
    const { query } = operation;
    return async (request, context) => {
      const startedAt = monotonicNow();
      const spanId = context.requestTrace && createSpanId();
      const response = await send(spanId === undefined ? request : { ...request, spanId }, context);
      let entities = 0;
      for (const { texts, values } of request.representations) entities += texts.length || values.length;
      emit(
        {
          type: 'fetch',
          subgraph,
          query,
          isRemote: transport.encoding === 'json',
          spanId,
          entities,
          errors: response.errors?.length ?? 0,
          code: codeOf(response.errors?.[0]),
          startedAt,
          durationMs: monotonicNow() - startedAt,
        },
        context.call.requestStats,
      );
      return response;
    };
  },
});

const codeOf = (error: SubgraphError | undefined): string | undefined => {
  const code = error?.extensions?.['code'];
  return error && (typeof code === 'string' ? code.slice(0, MAX_CODE_CHARS) : UNKNOWN_CODE);
};

/** Maximum length of an error's code. External subgraphs have their own. */
const MAX_CODE_CHARS = 100;

/** The code of an error that has none. */
const UNKNOWN_CODE = 'INTERNAL_SERVER_ERROR';
