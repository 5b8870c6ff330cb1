/**
 * Maximum number of streams of all pages together over HTTP/1.1, where browsers open six connections to a host: the rest is for
 * queries.
 */
const SLOTS = 4;

/** Whether requests share a connection. Without locks, nothing can be counted. */
const isUnlimited = (): boolean => {
  const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
  // Empty for a page that the browser has validated only.
  return ['h2', 'h3'].includes(navigation?.nextHopProtocol ?? '') || !navigator.locks;
};

const take = (name: string): Promise<(() => void) | undefined> =>
  new Promise((resolve, reject) => {
    navigator.locks
      .request(name, { ifAvailable: true }, (lock) => {
        if (lock) return new Promise<void>((release) => resolve(release));
        resolve(undefined);
        return undefined;
      })
      .catch(reject);
  });

/** Takes a slot for a stream. Returns the function that releases it; undefined if none is free. */
export const takeSlot = async (): Promise<(() => void) | undefined> => {
  if (isUnlimited()) return () => {};
  for (let index = 0; index < SLOTS; index += 1) {
    const release = await take(`tributary:stream:${index}`);
    if (release) return release;
  }
  return undefined;
};
