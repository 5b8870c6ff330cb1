import { isUpstreamError, type UpstreamError } from '../../connectors/errors.ts';
import type { ProviderResponse } from '../../connectors/middleware/chain.ts';
import { isData } from '../execution/data.ts';

/** A subgraph's response: its body, and the code for errors in it that have none. */
export type Reply = { readonly body: string; readonly fallbackCode?: string };

/**
 * Returns the GraphQL response in an exchange that failed because of its status. Undefined if there is none.
 * Source: GraphQL over HTTP, section 6.4 (https://graphql.github.io/graphql-over-http/draft/).
 */
export const readFailedReply = (
  error: UpstreamError,
  isMutation: boolean,
): (Reply & Pick<ProviderResponse, 'headers'>) | undefined => {
  // A mutation with an unknown outcome has the original failure as its cause.
  const failure = error.code === 'UPSTREAM_OUTCOME_UNKNOWN' ? error.details.cause : error;
  if (!isUpstreamError(failure)) return undefined;
  const { status, headers, body } = failure.details;
  if (status === undefined || !headers || body === undefined) return undefined;
  return isGraphQLResponse({ status, headers, body }, isMutation) ? { headers, body } : undefined;
};

const isGraphQLResponse = ({ status, headers, body }: ProviderResponse, isMutation: boolean): boolean => {
  const mediaType = String(headers['content-type'] ?? '').toLowerCase();
  if (!mediaType.includes('json')) return false;
  const value = parse(body);
  if (!isData(value)) return false;
  const isExecuted = isData(value['data']);
  if (mediaType.startsWith('application/graphql-response+json')) return isExecuted || Array.isArray(value['errors']);
  // The specification warns that `application/json` may come from a proxy. A mutation's outcome must come from the subgraph.
  if (isMutation && status >= 500) return 'data' in value;
  return isExecuted || (Array.isArray(value['errors']) && value['errors'].some(hasMessage));
};

const hasMessage = (error: unknown): boolean => isData(error) && typeof error['message'] === 'string';

const parse = (body: string): unknown => {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
};
