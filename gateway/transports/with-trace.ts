import type { Transport } from './transport.ts';

/** Wraps a transport so that it records its fetches in traced requests. */
export const withTrace = (subgraph: string, transport: Transport): Transport => ({
  ...transport,
  prepare: (operation) => {
    const send = transport.prepare(operation);

    const sendTraced: typeof send = async (request, context) => {
      const { trace, telemetry } = context;
      const startMs = telemetry.callStats.ageMs();
      const response = await send(request, context);
      trace?.fetches.push({
        subgraph,
        query: operation.query,
        startMs,
        timeMs: telemetry.callStats.ageMs() - startMs,
        entities: request.representations.reduce((sum, { texts, values }) => sum + (texts.length || values.length), 0),
        errors: response.errors?.length ?? 0,
      });
      return response;
    };

    return (request, context) => (context.trace ? sendTraced(request, context) : send(request, context));
  },
});
