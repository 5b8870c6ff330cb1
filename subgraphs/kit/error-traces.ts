import type { ApolloServerPlugin, BaseContext } from '@apollo/server';
import { type Log, withTraceId } from '../../runtime/log.ts';

/** Finds the trace of an error where its request is not known: in Apollo Server's `formatError`. */
export type ErrorTraces<Context extends BaseContext> = {
  readonly plugin: ApolloServerPlugin<Context>;
  /** Returns a logger whose entries name the error's trace. */
  readonly logFor: (log: Log, error: unknown) => Log;
};

export const createErrorTraces = <
  Context extends BaseContext & { readonly traceId: string | undefined },
>(): ErrorTraces<Context> => {
  const traceIds = new WeakMap<object, string>();
  return {
    plugin: {
      requestDidStart: async ({ contextValue: { traceId } }) =>
        traceId === undefined
          ? undefined
          : {
              didEncounterErrors: async ({ errors }) => {
                for (const error of errors) traceIds.set(error, traceId);
              },
            },
    },
    logFor: (log, error) => withTraceId(log, error instanceof Object ? traceIds.get(error) : undefined),
  };
};
