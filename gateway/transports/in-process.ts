import { GraphQLError } from 'graphql';
import { type Log, withTraceId } from '../../runtime/log.ts';
import { toPublicError } from '../../subgraphs/kit/errors.ts';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import type { Subgraph } from '../../subgraphs/kit/subgraph.ts';
import { compileOperation } from './subgraph-executor/executor.ts';
import type { Transport } from './transport.ts';

/** Creates the transport to an in-process subgraph. Its schema is executed directly, without serialization. */
export const createLocalTransport = (subgraph: Subgraph, log: Log): Transport => ({
  encoding: 'object',
  prepare: (operation) => {
    const run = compileOperation(subgraph.schema, operation.document);
    return async ({ variables, representations }, context) => {
      const stale: StaleNote[] = [];
      const allVariables: Record<string, unknown> = { ...variables };
      for (const { variable, values } of representations) allVariables[variable] = values;
      const toPublic = (error: GraphQLError) =>
        toPublicError(error, withTraceId(log, context.traceId), subgraph.credentialsOf?.(context.identity));
      try {
        const { data, errors } = await run(allVariables, { ...context.contextOf(subgraph), stale });
        return { data, errors: errors?.map(toPublic), stale };
      } catch (error) {
        return { data: null, errors: [toPublic(new GraphQLError('', { originalError: error as Error }))] };
      }
    };
  },
  close: subgraph.close,
});
