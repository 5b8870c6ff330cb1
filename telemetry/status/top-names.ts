/** What operations with one name, or of one client, have cost. All figures are sums. */
export type Cost = {
  /** Operations. */
  operations: number;
  /** Of `operations`, those with errors. */
  errors: number;
  /** Provider calls. */
  calls: number;
  /** Time from their arrival to their responses, in milliseconds. */
  timeMs: number;
};

export type NamedCost = Cost & { readonly name: string };

/** The name for all that have no place of their own. */
export const OTHER = '(other)';

const MINUTE_MS = 60_000;
const MINUTES = 5;
const FIGURES = ['operations', 'errors', 'calls', 'timeMs'] as const satisfies readonly (keyof Cost)[];

/** The longest name that is kept. Clients choose names. */
const MAX_NAME_CHARS = 100;

class Entry implements Cost {
  name: string;
  operations = 0;
  errors = 0;
  calls = 0;
  timeMs = 0;
  readonly #minutes: Cost[] = Array.from({ length: MINUTES }, () => ({
    operations: 0,
    errors: 0,
    calls: 0,
    timeMs: 0,
  }));

  constructor(name: string) {
    this.name = name;
  }

  add(minute: number, cost: Cost): void {
    const current = this.#minutes[minute % MINUTES] as Cost;
    for (const figure of FIGURES) {
      current[figure] += cost[figure];
      this[figure] += cost[figure];
    }
  }

  /** Adds what another entry has, each minute to its own. */
  absorb(other: Entry): void {
    for (let minute = 0; minute < MINUTES; minute += 1) this.add(minute, other.#minutes[minute] as Cost);
  }

  /** Forgets a minute. Returns whether nothing is left. */
  forget(minute: number): boolean {
    const past = this.#minutes[minute % MINUTES] as Cost;
    for (const figure of FIGURES) {
      this[figure] -= past[figure];
      past[figure] = 0;
    }
    return this.operations === 0;
  }
}

/**
 * The costs of the last five minutes by name, for a bounded number of names. A new name beyond them replaces the one that has
 * cost least, whose costs then count under `(other)`: however many names are tried, the costly ones keep their places.
 */
export class TopNames {
  readonly #max: number;
  readonly #entries = new Map<string, Entry>();
  readonly #other = new Entry(OTHER);
  #minute = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Adds the cost of an operation. `now` is in milliseconds. */
  add(now: number, name: string, cost: Cost): void {
    this.#advance(now);
    const key = name.length > MAX_NAME_CHARS ? `${name.slice(0, MAX_NAME_CHARS)}…` : name;
    let entry = this.#entries.get(key);
    if (!entry) {
      if (this.#entries.size >= this.#max) this.#evict();
      entry = new Entry(key);
      this.#entries.set(key, entry);
    }
    entry.add(this.#minute, cost);
  }

  /** Returns the costs by name, in no order, with `(other)` last if it has any. */
  read(now: number): NamedCost[] {
    this.#advance(now);
    const all = [...this.#entries.values(), ...(this.#other.operations > 0 ? [this.#other] : [])];
    return all.map(({ name, operations, errors, calls, timeMs }) => ({ name, operations, errors, calls, timeMs }));
  }

  #evict(): void {
    let least: Entry | undefined;
    for (const entry of this.#entries.values()) if (!least || compareCosts(entry, least) > 0) least = entry;
    if (!least) return;
    this.#entries.delete(least.name);
    this.#other.absorb(least);
  }

  #advance(now: number): void {
    const minute = Math.floor(now / MINUTE_MS);
    // Times can be a little out of order: a minute that has begun does not end again.
    if (minute <= this.#minute) return;
    const passed = Math.min(MINUTES, minute - this.#minute);
    this.#minute = minute;
    for (let past = 0; past < passed; past += 1) {
      this.#other.forget(minute - past);
      for (const [name, entry] of this.#entries) if (entry.forget(minute - past)) this.#entries.delete(name);
    }
  }
}

/** Orders costs, the highest first: by provider calls, then by time. */
export const compareCosts = (one: Cost, other: Cost): number =>
  other.calls - one.calls || other.timeMs - one.timeMs || other.operations - one.operations;
