import { monotonicNow } from '../../runtime/clock.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { Transport } from './transport.ts';

/** Wraps a transport so that it announces its fetches. */
export const withFetchEvents = (subgraph: string, transport: Transport, { emit }: Telemetry): Transport => ({
  ...transport,
  prepare: (operation) => {
    const send = transport.prepare(operation);
    const { query } = operation;
    return async (request, context) => {
      const startedAt = monotonicNow();
      const response = await send(request, context);
      let entities = 0;
      for (const { texts, values } of request.representations) entities += texts.length || values.length;
      emit(
        {
          type: 'fetch',
          subgraph,
          query,
          entities,
          errors: response.errors?.length ?? 0,
          startedAt,
          durationMs: monotonicNow() - startedAt,
        },
        context.call.requestStats,
      );
      return response;
    };
  },
});
