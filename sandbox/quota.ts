/** How many calls a provider takes within a sliding window. */
export type Quota = { readonly calls: number; readonly windowMs: number };

export type Meter = {
  /** Counts one call; false where it is one too many. */
  readonly take: () => boolean;
  readonly remaining: () => number;
};

/** Counts calls in a window that slides with `now`, in milliseconds. */
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

/** One meter for each name, made when first used. */
export const createMeters = (quota: Quota, now: () => number): ((name: string) => Meter) => {
  const meters = new Map<string, Meter>();
  return (name) => {
    const meter = meters.get(name) ?? createMeter(quota, now);
    meters.set(name, meter);
    return meter;
  };
};
