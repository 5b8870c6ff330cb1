export type FetchedBytesLimits = {
  /** Maximum total size of the subgraph responses for one client request. */
  readonly perRequest: number;
  /** Maximum total size for all running requests. */
  readonly total: number;
};

/** Counts the bytes of remote subgraph responses for one client request. */
export type FetchedBytes = {
  /** Counts a response. If it exceeds a limit, returns the limit and does not count it. */
  readonly add: (bytes: number) => keyof FetchedBytesLimits | undefined;
  /** Must be called when the client request ends. */
  readonly release: () => void;
};

/** Bounds the subgraph responses that running requests hold in memory. Returns a factory for per-request counters. */
export const createFetchedBytes = ({ perRequest, total }: FetchedBytesLimits): (() => FetchedBytes) => {
  let totalBytes = 0;
  return () => {
    let requestBytes = 0;
    let isReleased = false;
    return {
      add: (bytes) => {
        // A disconnected client's request can still wait for a response that it shares with others.
        if (isReleased) return undefined;
        if (requestBytes + bytes > perRequest) return 'perRequest';
        if (totalBytes + bytes > total) return 'total';
        requestBytes += bytes;
        totalBytes += bytes;
        return undefined;
      },
      release: () => {
        isReleased = true;
        totalBytes -= requestBytes;
        requestBytes = 0;
      },
    };
  };
};
