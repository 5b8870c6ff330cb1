/** The number of requests that a provider allows in a sliding window. */
export type Quota = { readonly calls: number; readonly windowMs: number };

export type Meter = {
  /** Counts one request; returns false if it exceeds the limit. */
  readonly take: () => boolean;
  readonly remaining: () => number;
};

/** Creates a sliding-window counter. `now` is in milliseconds. */
export const createMeter = ({ calls, windowMs }: Quota, now: () => number): Meter => {
  let taken: number[] = [];
  const prune = () => {
    const start = now() - windowMs;
    taken = taken.filter((at) => at > start);
  };
  return {
    take: () => {
      prune();
      if (taken.length >= calls) return false;
      taken.push(now());
      return true;
    },
    remaining: () => {
      prune();
      return Math.max(0, calls - taken.length);
    },
  };
};

/** Returns a function that returns the meter of a name, created on first use. */
export const createMeters = (quota: Quota, now: () => number): ((name: string) => Meter) => {
  const meters = new Map<string, Meter>();
  return (name) => {
    const meter = meters.get(name) ?? createMeter(quota, now);
    meters.set(name, meter);
    return meter;
  };
};
