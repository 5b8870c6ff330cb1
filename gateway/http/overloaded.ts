import { GraphQLError } from 'graphql';

/** Error for an operation that too many others keep waiting. `why` is a sentence. Nothing of the operation was executed. */
export const overloaded = (why: string): GraphQLError =>
  new GraphQLError(`${why} Retry the operation.`, {
    extensions: { code: 'OVERLOADED', http: { status: 503, headers: new Map([['retry-after', '1']]) } },
  });
