/** Length of one step, in milliseconds. */
export const STEP_MS = 5_000;

/** Number of steps that are kept: five minutes. */
export const STEPS = 60;

/** Figures of the last five minutes, in steps of five seconds with a cell for each column. Its memory is fixed. */
export class StepRing {
  readonly columns: number;
  readonly #cells: Float64Array;
  #step = 0;

  constructor(columns: number) {
    this.columns = columns;
    this.#cells = new Float64Array(STEPS * columns);
  }

  /** Returns the index of the first cell of the present step, for `add` and `raise`. `now` is in milliseconds. */
  open(now: number): number {
    const step = Math.floor(now / STEP_MS);
    if (step > this.#step) this.#advance(step);
    return (this.#step % STEPS) * this.columns;
  }

  add(cell: number, amount: number): void {
    this.#cells[cell] = (this.#cells[cell] ?? 0) + amount;
  }

  /** Replaces a cell's figure if it is smaller. */
  raise(cell: number, amount: number): void {
    if (amount > (this.#cells[cell] ?? 0)) this.#cells[cell] = amount;
  }

  /** Returns the cells that are not 0 as pairs of index and figure. The oldest step comes first. */
  read(now: number): number[] {
    const first = this.open(now) + this.columns;
    const pairs: number[] = [];
    for (let index = 0; index < this.#cells.length; index += 1) {
      const figure = this.#cells[(first + index) % this.#cells.length] ?? 0;
      if (figure !== 0) pairs.push(index, figure);
    }
    return pairs;
  }

  /** Returns the sums of the columns over all steps that are not 0, as pairs of column and sum. */
  sums(now: number): number[] {
    this.open(now);
    const sums = new Float64Array(this.columns);
    for (let index = 0; index < this.#cells.length; index += 1) {
      const column = index % this.columns;
      sums[column] = (sums[column] ?? 0) + (this.#cells[index] ?? 0);
    }
    return [...sums].flatMap((sum, column) => (sum === 0 ? [] : [column, sum]));
  }

  /** Clears the steps in which nothing happened. */
  #advance(step: number): void {
    for (let next = Math.max(this.#step + 1, step - STEPS + 1); next <= step; next += 1) {
      const start = (next % STEPS) * this.columns;
      this.#cells.fill(0, start, start + this.columns);
    }
    this.#step = step;
  }
}
