/** Replaces a wildcard address by `localhost`, to which a client on this machine can connect. */
export const toReachableUrl = (url: string): string =>
  url.replace('//0.0.0.0:', '//localhost:').replace('//[::]:', '//localhost:');
