/** A fault to inject into the next `times` matching requests. */
export type Fault = {
  /** Matches operations that contain this text. Default: all. */
  readonly on?: string;
  /** Matches only requests for this key. */
  readonly key?: string;
  /** Number of requests affected. Default: all until the faults are cleared. */
  readonly times?: number;
  /** Delays the response by this many milliseconds, after the request was carried out. */
  readonly delayMs?: number;
  /** Delays the response until this settles. Only for a sandbox in the same process. */
  readonly until?: Promise<unknown>;
  /** Responds with this status, and with the provider's error body unless `body` is set. The request is not carried out. */
  readonly status?: number;
  /** Responds with this body. The request is not carried out. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Responds with a meaningless body of this many bytes. */
  readonly bytes?: number;
  /** Closes the connection without a response, before or after the request is carried out. */
  readonly drop?: 'before' | 'after';
  /** Carries out the request and never responds. */
  readonly hang?: boolean;
  /** Rewrites the response body. Only for a sandbox in the same process. */
  readonly rewrite?: (body: string) => string;
};

/** The active faults. */
export type Faults = {
  readonly add: (fault: Fault) => void;
  readonly clear: () => void;
  /** Returns the fault for a request, if any, and counts it. */
  readonly take: (operation: string, keys: readonly string[]) => Fault | undefined;
};

/** Creates an empty list of faults. The first matching fault applies. */
export const createFaults = (): Faults => {
  let faults: { fault: Fault; left: number }[] = [];
  return {
    add: (fault) => {
      faults.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
    },
    clear: () => {
      faults = [];
    },
    take: (operation, keys) => {
      const match = faults.find(
        ({ fault: { on = '', key }, left }) =>
          left > 0 && operation.includes(on) && (key === undefined || keys.includes(key)),
      );
      if (match) match.left -= 1;
      return match?.fault;
    },
  };
};
