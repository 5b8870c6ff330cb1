import type { MissingFields } from './selection-tree.ts';

/** An error of a fetch, in a form that clients may see. */
export type FetchError = {
  readonly message: string;
  readonly extensions: Readonly<Record<string, unknown>>;
  /** Relative to the position of the failure. */
  readonly path: readonly (string | number)[];
  /** Repeats an error of another field. Not reported if that field's error explains the same null. */
  readonly isSecondary?: boolean;
};

/** The errors of one fetch. With `isParentRelative`, their paths start at the value's parent object, not at the value. */
type Cause = { readonly errors: FetchError[]; readonly isParentRelative: boolean };

type FailureOptions = {
  readonly isParentRelative?: boolean;
  /** The failure is not replaced by a value from another fetch. */
  readonly isFinal?: boolean;
};

// Each error is repeated at every field that lacks a value because of it, so the total grows with the response size.
const MAX_ERRORS = 20;

/**
 * Takes the place of a value that a fetch failed to return.
 *
 * Client errors are created when the response is shaped: with the client's path, at each field that lacks the value, and only
 * there.
 *
 * A failure in place of an object or a list records which fields are missing because of it. If another fetch returns an object
 * for the same path, the missing fields of that object fail with the same errors.
 *
 * A failure without errors means that the value does not exist: a field of an entity that its subgraph does not know.
 */
export class Failure {
  readonly isFinal: boolean;
  #causes: Map<Cause, Set<MissingFields>>;
  readonly #withMissing = new Map<MissingFields, Failure>();
  #forDependent: Failure | undefined;

  constructor(errors: readonly FetchError[], { isParentRelative = false, isFinal = false }: FailureOptions = {}) {
    this.isFinal = isFinal;
    this.#causes = new Map([[{ errors: errors.slice(0, MAX_ERRORS), isParentRelative }, new Set()]]);
  }

  static #of(causes: Map<Cause, Set<MissingFields>>, isFinal = false): Failure {
    const failure = new Failure([], { isFinal });
    failure.#causes = causes;
    return failure;
  }

  /** Whether the value would have been an object or a list of objects. */
  get isComposite(): boolean {
    return [...this.#causes.values()].some((missing) => missing.size > 0);
  }

  /** Returns the errors for the value under a key of an object or a list. Their paths start at that object or list. */
  errorsAt(key: string | number): FetchError[] {
    return [...this.#causes.keys()].flatMap(({ errors, isParentRelative }) => {
      if (!isParentRelative) return errors.map((error) => ({ ...error, path: [key, ...error.path] }));
      const specific = errors.filter(({ path }) => path[0] === key);
      if (specific.length > 0) return specific;
      return errors.map((error) => ({ ...error, path: [key], isSecondary: error.path.length > 0 }));
    });
  }

  /** Adds another error of the same fetch, unless the maximum is reached. */
  add(error: FetchError): void {
    const [cause] = this.#causes.keys();
    if (cause && cause.errors.length < MAX_ERRORS) cause.errors.push(error);
  }

  /** Returns the same failure for a value that depends on the failed one. */
  forDependent(): Failure {
    this.#forDependent ??= new Failure(
      [...this.#causes.keys()].flatMap(({ errors }) =>
        errors.map(({ message, extensions }) => ({ message, extensions, path: [] })),
      ),
    );
    return this.#forDependent;
  }

  /** Returns the same failure in place of objects that lack these fields. */
  withMissing(missing: MissingFields): Failure {
    const existing = this.#withMissing.get(missing);
    if (existing) return existing;
    const failure = Failure.#of(new Map([...this.#causes.keys()].map((cause) => [cause, new Set([missing])])));
    this.#withMissing.set(missing, failure);
    return failure;
  }

  /** Adds fields that are missing for the same reason: a later fetch cannot reach their objects. */
  addMissing(missing: MissingFields): void {
    for (const all of this.#causes.values()) all.add(missing);
  }

  /**
   * Returns the missing fields of the value under a key, each with its failure. Error paths start at the value, so errors of
   * nested fields keep their positions.
   */
  missingAt(key: string | number): { readonly missing: MissingFields; readonly failure: Failure }[] {
    return [...this.#causes].flatMap(([cause, missing]) => {
      const failure = Failure.#of(new Map([[descend(cause, key), new Set<MissingFields>()]]));
      return [...missing].map((fields) => ({ missing: fields, failure }));
    });
  }

  /** Combines two failures, for a value that neither of two fetches returned. */
  mergeWith(other: Failure): Failure {
    if (other === this) return this;
    const causes = new Map([...this.#causes].map(([cause, missing]) => [cause, new Set(missing)]));
    for (const [cause, missing] of other.#causes) {
      causes.set(cause, new Set([...(causes.get(cause) ?? []), ...missing]));
    }
    return Failure.#of(causes, this.isFinal || other.isFinal);
  }
}

const descend = ({ errors, isParentRelative }: Cause, key: string | number): Cause => ({
  isParentRelative: true,
  errors: isParentRelative
    ? errors.map((error) => ({ ...error, path: error.path[0] === key ? error.path.slice(1) : [] }))
    : errors,
});
