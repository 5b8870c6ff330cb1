/** What went wrong in a fetch, as it may be told to a client. */
export type FetchError = {
  readonly message: string;
  readonly extensions: Readonly<Record<string, unknown>>;
  /** Where, from the place of the failure on. */
  readonly path: readonly (string | number)[];
};

/**
 * Stands in the data where a fetch should have put a value and could not. So a client's error is made where the answer
 * is shaped: with the path that the client knows, at each place where the value would have been, and only there.
 */
export class Failure {
  readonly #errors: FetchError[];
  readonly #ofObject: boolean;

  /** `ofObject`: the errors' paths begin at the object that lacks the value, not at the value. */
  constructor(errors: readonly FetchError[], { ofObject = false } = {}) {
    this.#errors = [...errors];
    this.#ofObject = ofObject;
  }

  /** The errors, for the value under this key of an object: their paths begin at the object. */
  at(key: string | number): FetchError[] {
    return this.#errors.map((error) =>
      this.#ofObject && error.path.length > 0 ? error : { ...error, path: [key, ...error.path] },
    );
  }

  /** The same failure, for a value that needs the one that failed. */
  forDependent(): Failure {
    return new Failure(this.#errors.map(({ message, extensions }) => ({ message, extensions, path: [] })));
  }

  /** Another reason for the same null. */
  add(more: FetchError): void {
    this.#errors.push(more);
  }
}
