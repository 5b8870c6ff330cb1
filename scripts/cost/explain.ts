import { buildClientSchema, type GraphQLSchema, getIntrospectionQuery, type IntrospectionQuery } from 'graphql';
import { z } from 'zod';
import type { ClientExplanation } from '../../gateway/cost/client-explanation.ts';

/** A running gateway. */
export type Endpoint = { readonly url: string; readonly headers: Readonly<Record<string, string>> };

/** An operation with the values of its variables. */
export type Request = { readonly query: string; readonly variables: Readonly<Record<string, unknown>> };

/** The estimate of an operation, or why there is none. */
export type Explained =
  | { readonly explanation: ClientExplanation; readonly errors?: never }
  | { readonly errors: readonly string[] };

/** The endpoint cannot estimate operations. */
export class EndpointError extends Error {}

const Answer = z.object({
  data: z.unknown().optional(),
  errors: z.array(z.object({ message: z.string() })).optional(),
  extensions: z.object({ tributary: z.object({ explain: z.custom<ClientExplanation>().optional() }) }).optional(),
});

const EXPLAIN = { 'x-tributary-explain': '1' };

const send = async ({ url, headers }: Endpoint, body: object, extra: object = {}) => {
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...headers, ...extra },
      body: JSON.stringify(body),
    });
  } catch (error) {
    const { message, cause } = error as Error;
    const reason = cause instanceof Error && 'code' in cause ? cause.code : message;
    throw new EndpointError(`${url} cannot be reached: ${reason}.`);
  }
  const text = await response.text();
  try {
    return Answer.parse(JSON.parse(text));
  } catch {
    throw new EndpointError(`${url} is not a GraphQL endpoint: HTTP ${response.status}.`);
  }
};

/**
 * Throws EndpointError if an endpoint does not estimate operations. Call this first: a server that ignores the header would
 * execute the operations, mutations included.
 */
export const requireEstimates = async (endpoint: Endpoint): Promise<void> => {
  const { errors, extensions } = await send(endpoint, { query: '{ __typename }' }, EXPLAIN);
  if (extensions?.tributary.explain) return;
  const reason = errors?.map(({ message }) => message).join(' ');
  throw new EndpointError(`${endpoint.url} gave no estimate${reason ? `: ${reason}` : '.'}`);
};

/** Returns the schema of an endpoint. Undefined if it does not tell. */
export const readSchema = async (endpoint: Endpoint): Promise<GraphQLSchema | undefined> => {
  const { data } = await send(endpoint, { query: getIntrospectionQuery() });
  return data ? buildClientSchema(data as IntrospectionQuery) : undefined;
};

/** Estimates an operation without executing it. */
export const explain = async (endpoint: Endpoint, request: Request): Promise<Explained> => {
  const { errors, extensions } = await send(endpoint, request, EXPLAIN);
  const explanation = extensions?.tributary.explain;
  if (explanation) return { explanation };
  return { errors: errors?.map(({ message }) => message) ?? ['The gateway returned no estimate.'] };
};
