export type FetchedBytesLimits = {
  /** Bytes that subgraphs may answer one client request in all. */
  readonly perRequest: number;
  /** Bytes of all requests that are running. */
  readonly total: number;
};

/** What subgraphs over HTTP have answered one client request. */
export type FetchedBytes = {
  /** Counts an answer. Returns the limit that it is over, in which case it does not count. */
  readonly add: (bytes: number) => keyof FetchedBytesLimits | undefined;
  /** To be called when the request has its answer. */
  readonly release: () => void;
};

/** Bounds what running requests hold of subgraphs' answers. Returns a function that opens the count of one request. */
export const createFetchedBytes = ({ perRequest, total }: FetchedBytesLimits): (() => FetchedBytes) => {
  let all = 0;
  return () => {
    let own = 0;
    let isReleased = false;
    return {
      add: (bytes) => {
        // A client that has left can still wait for an answer that it shares with others.
        if (isReleased) return undefined;
        if (own + bytes > perRequest) return 'perRequest';
        if (all + bytes > total) return 'total';
        own += bytes;
        all += bytes;
        return undefined;
      },
      release: () => {
        isReleased = true;
        all -= own;
        own = 0;
      },
    };
  };
};
