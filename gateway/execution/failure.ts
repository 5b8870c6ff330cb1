import type { SelectionTree } from './selection-tree.ts';

/** An error of a fetch, in the form that clients may see. */
export type FetchError = {
  readonly message: string;
  readonly extensions: Readonly<Record<string, unknown>>;
  /** Relative to the place of the failure. */
  readonly path: readonly (string | number)[];
  /** Stands for an error at another field. Not reported where that one explains the same null. */
  readonly isSecondary?: boolean;
};

/** Fields that a failed fetch should have given: a selection on the objects at a path, `@` for every item of a list. */
export type Lost = { readonly tree: SelectionTree; readonly path: readonly string[] };

/** The errors of one fetch. `isOfObject`: their paths begin at the object that lacks the value, not at the value. */
type Cause = { readonly errors: FetchError[]; readonly isOfObject: boolean };

type FailureOptions = {
  readonly isOfObject?: boolean;
  /** No value of another fetch replaces the failure. */
  readonly isFinal?: boolean;
};

// Each error is repeated at every place that lacks a value for it, so their number multiplies with the answer's size.
const MAX_ERRORS = 20;

/**
 * Stands in the data where a fetch should have put a value and could not. A client's error is made where the answer is
 * shaped: with the path that the client knows, at each place where the value would have been, and only there.
 *
 * A failure in the place of an object or a list knows which fields are lost with it, so that the objects that another
 * fetch gives for the same place show which of their fields are missing, and why.
 *
 * Without errors, it stands for a value that does not exist: a field of an entity that its subgraph does not know.
 */
export class Failure {
  readonly isFinal: boolean;
  #causes: Map<Cause, Set<Lost>>;
  readonly #withLost = new Map<Lost, Failure>();
  #forDependent: Failure | undefined;

  constructor(errors: readonly FetchError[], { isOfObject = false, isFinal = false }: FailureOptions = {}) {
    this.isFinal = isFinal;
    this.#causes = new Map([[{ errors: errors.slice(0, MAX_ERRORS), isOfObject }, new Set()]]);
  }

  static #of(causes: Map<Cause, Set<Lost>>, isFinal = false): Failure {
    const failure = new Failure([], { isFinal });
    failure.#causes = causes;
    return failure;
  }

  /** Whether the value would have been an object or a list of objects. */
  get isOfComposite(): boolean {
    return [...this.#causes.values()].some((lost) => lost.size > 0);
  }

  /** The errors for the value under this key of an object or a list. Their paths begin at that object or list. */
  at(key: string | number): FetchError[] {
    return [...this.#causes.keys()].flatMap(({ errors, isOfObject }) => {
      if (!isOfObject) return errors.map((error) => ({ ...error, path: [key, ...error.path] }));
      const own = errors.filter(({ path }) => path[0] === key);
      if (own.length > 0) return own;
      return errors.map((error) => ({ ...error, path: [key], isSecondary: error.path.length > 0 }));
    });
  }

  /** Adds another error of the same fetch, as far as there are not too many already. */
  add(error: FetchError): void {
    const [cause] = this.#causes.keys();
    if (cause && cause.errors.length < MAX_ERRORS) cause.errors.push(error);
  }

  /** The same failure, for a value that depends on the one that failed. */
  forDependent(): Failure {
    this.#forDependent ??= new Failure(
      [...this.#causes.keys()].flatMap(({ errors }) =>
        errors.map(({ message, extensions }) => ({ message, extensions, path: [] })),
      ),
    );
    return this.#forDependent;
  }

  /** The same failure in the place of objects of which these fields are lost. */
  withLost(lost: Lost): Failure {
    const known = this.#withLost.get(lost);
    if (known) return known;
    const failure = Failure.#of(new Map([...this.#causes.keys()].map((cause) => [cause, new Set([lost])])));
    this.#withLost.set(lost, failure);
    return failure;
  }

  /** Adds fields that are lost for the same reason: a later fetch cannot reach the objects that they are of. */
  addLost(lost: Lost): void {
    for (const all of this.#causes.values()) all.add(lost);
  }

  /**
   * What is lost of the value under this key, each with a failure for its fields. The paths of its errors begin at the
   * value: errors about something within keep their place.
   */
  lostAt(key: string | number): { readonly lost: Lost; readonly failure: Failure }[] {
    return [...this.#causes].flatMap(([cause, lost]) => {
      const failure = Failure.#of(new Map([[descend(cause, key), new Set<Lost>()]]));
      return [...lost].map((one) => ({ lost: one, failure }));
    });
  }

  /** Both failures, for a value that neither of two fetches gave. */
  and(other: Failure): Failure {
    if (other === this) return this;
    const causes = new Map([...this.#causes].map(([cause, lost]) => [cause, new Set(lost)]));
    for (const [cause, lost] of other.#causes) causes.set(cause, new Set([...(causes.get(cause) ?? []), ...lost]));
    return Failure.#of(causes, this.isFinal || other.isFinal);
  }
}

const descend = ({ errors, isOfObject }: Cause, key: string | number): Cause => ({
  isOfObject: true,
  errors: isOfObject
    ? errors.map((error) => ({ ...error, path: error.path[0] === key ? error.path.slice(1) : [] }))
    : errors,
});
