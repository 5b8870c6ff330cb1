import { GraphQLError } from 'graphql';

/** Creates the error for an operation that is rejected under load. Nothing was executed. `reason` is a sentence. */
export const overloaded = (reason: string): GraphQLError =>
  new GraphQLError(`${reason} Retry the operation.`, {
    extensions: { code: 'OVERLOADED', http: { status: 503, headers: new Map([['retry-after', '1']]) } },
  });
