import { monotonicNow } from '../../runtime/clock.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { createSpanId } from '../../telemetry/traces/trace-context.ts';
import type { SubgraphResponse } from '../execution/subgraph-request.ts';
import type { Transport } from './transport.ts';

/** Wraps a transport so that it announces its fetches. */
export const withFetchEvents = (subgraph: string, transport: Transport, { emit, hears }: Telemetry): Transport => ({
  ...transport,
  prepare: (operation) => {
    const send = transport.prepare(operation);
    const { query } = operation;
    return async (request, context) => {
      if (!context.requestTrace && !hears('fetch')) return send(request, context);
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
          codes: response.errors ? codesOf(response.errors) : NONE,
          isAborted: context.options.signal.aborted,
          startedAt,
          durationMs: monotonicNow() - startedAt,
        },
        context.call.requestStats,
      );
      return response;
    };
  },
});

const NONE: readonly string[] = [];

/** Maximum number of codes in one event. A subgraph of others can have any number. */
const MAX_CODES = 20;

const codesOf = (errors: NonNullable<SubgraphResponse['errors']>): readonly string[] =>
  [...new Set(errors.map(({ extensions }) => String(extensions?.['code'])))].slice(0, MAX_CODES);
