/** Something that goes wrong on purpose, for the next `times` calls that match. */
export type Fault = {
  /** Only calls whose operation contains this. Default: every call. */
  readonly on?: string;
  /** Only calls that ask for this key. */
  readonly key?: string;
  /** How many calls it meets. Default: all until the faults are cleared. */
  readonly times?: number;
  /** Answers this many milliseconds late. The call has been carried out by then. */
  readonly delayMs?: number;
  /** Answers no sooner than this is settled. Only where the sandbox runs in the same process. */
  readonly until?: Promise<unknown>;
  /** Answers with this status instead, and with the provider's own error body unless `body` is set. Nothing is carried out. */
  readonly status?: number;
  /** Answers with this body. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Answers with a body of this many bytes of no meaning. */
  readonly bytes?: number;
  /** Breaks the connection: before the call is carried out, or after it but before it is answered. */
  readonly drop?: 'before' | 'after';
  /** Carries the call out and never answers. */
  readonly hang?: boolean;
  /** Changes the body of the provider's answer. Only where the sandbox runs in the same process. */
  readonly rewrite?: (body: string) => string;
};

/** The faults in force. */
export type Faults = {
  readonly add: (fault: Fault) => void;
  readonly clear: () => void;
  /** The fault for this call, if any; counts it as met. */
  readonly take: (operation: string, keys: readonly string[]) => Fault | undefined;
};

/** Faults are met in the order they were added. */
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
