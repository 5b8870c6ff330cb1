import { serverAudits } from 'graphql-http';

/**
 * Runs graphql-http's audits of a GraphQL server and returns the ids of the failed ones, each with its name and reason.
 * Sends `headers` with every request.
 */
export const auditServer = async (url: string, headers: Record<string, string> = {}) => {
  const audits = serverAudits({
    url,
    fetchFn: (target: string, init: RequestInit = {}) =>
      fetch(target, { ...init, headers: { ...headers, ...(init.headers as Record<string, string>) } }),
  });
  const failed: Record<string, string> = {};
  for (const { id, name, fn } of audits) {
    const result = await fn();
    if (result.status !== 'ok') failed[id] = `${name}: ${result.reason}`;
  }
  return { count: audits.length, failed };
};
