/**
 * Returns whether a URL is valid for the Redis client. Special characters in a password, for example, must be percent-encoded, and
 * the path is the number of a database. Apart from the client, which is slow to load. Source: `parseURL` of `@redis/client`.
 */
export const isRedisUrl = (text: string): boolean => {
  const url = URL.parse(text);
  if (!url || (url.protocol !== 'redis:' && url.protocol !== 'rediss:')) return false;
  return [url.username, url.password].every(isEncoded) && !Number.isNaN(Number(url.pathname.slice(1)));
};

const isEncoded = (text: string): boolean => {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
};
