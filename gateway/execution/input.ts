import type { GraphQLSchema } from 'graphql';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import { copy, type Data, isData, own, setOwn, TYPE_FAILURE } from './data.ts';
import { Failure, type FetchError } from './failure.ts';
import { combineFailure, createMerge, extendFailures, failFields } from './merge.ts';
import { createObjectsAt, locate, type ObjectsAt, type Path } from './objects-at.ts';
import { renameFields } from './rename-fields.ts';
import { type Batch, createBatch, createRepresenters, type Representer } from './representations.ts';
import type { Requirements } from './requirements.ts';
import { createSelectionTree } from './selection-tree.ts';
import { type Fragments, isSelected } from './selections.ts';
import { sortRepresentations } from './sort-representations.ts';
import type { FetchTarget, Target } from './steps.ts';
import type { Representations, SubgraphClient, SubgraphError } from './subgraph-request.ts';

/** One execution of a program. */
export type Run<Context> = {
  readonly context: Context;
  /** What the fetches gave so far. */
  readonly data: Data;
  /** As the client sent them, by the names that the plan has for them. */
  readonly sent: Readonly<Record<string, unknown>>;
  /** The same with defaults, as GraphQL's rules make them. */
  readonly variables: Readonly<Record<string, unknown>>;
  hasFailures: boolean;
  /** Errors that are the reason of no null. */
  readonly errors: SubgraphError[];
  readonly stale: StaleNote[];
  /** Waited for before an answer is taken in, where answers are large. */
  readonly takeTurn?: (() => Promise<void> | undefined) | undefined;
};

export type FetchOptions = {
  /** With all types and fields that subgraphs have. */
  readonly supergraphSchema: GraphQLSchema;
  readonly requiredBy: Requirements['requiredBy'];
};

/** The error of an answer that cannot be used. */
export const NO_ANSWER = { message: 'A service gave no answer.', extensions: { code: 'UPSTREAM_BAD_RESPONSE' } };

/** An error with the name of the subgraph that it is of. */
export const withService = <E extends SubgraphError>(error: E, serviceName: string) => ({
  ...error,
  extensions: { ...error.extensions, serviceName },
});

/** What one input of a fetch is about, in one execution. */
export type CollectedEntities = {
  readonly isEmpty: boolean;
  readonly representations: Representations | undefined;
  /** For each target, its objects, and which representation each has. */
  readonly objects: readonly Data[][];
  readonly positions: readonly number[][];
  /** Fields that are not taken from the answer: they require a value that failed. */
  readonly refused: Map<Data, ReadonlyMap<string, Failure>>;
};

export type FetchTargetOptions = FetchOptions & {
  readonly subgraph: string;
  readonly fragments: Fragments;
  readonly encoding: SubgraphClient<never>['encoding'];
};

/** Compiles what a request does for one of its inputs: gathers the objects, and receives what is given for them. */
export const createFetchTarget = (
  { supergraphSchema: schema, requiredBy, subgraph, fragments, encoding }: FetchTargetOptions,
  { entities, selectionSet, targets, renamed }: FetchTarget,
) => {
  const tree = createSelectionTree(schema, selectionSet, fragments, renamed);
  const places = targets.map((target) => createPlace(schema, target));
  const mergeGiven = createMerge(schema, tree);
  const hasNested = [...tree.fieldsOf().values()].some(({ nested }) => nested);
  const lostAt = targets.map(({ path }) => {
    return [...path, undefined].map((_step, done) => ({ tree, path: path.slice(done) }));
  });

  const failObject = (run: Run<unknown>, object: Data, failure: Failure): void =>
    failFields(object, failure, tree, run);

  const collect = (run: Run<unknown>): CollectedEntities => {
    const texts: string[] = [];
    const values: Data[] = [];
    const byText = new Map<string, number>();
    const refused: CollectedEntities['refused'] = new Map();
    const objects: Data[][] = [];
    const positions: number[][] = [];
    if (run.hasFailures) for (const lost of lostAt) extendFailures(run.data, lost);
    for (const { objectsAt, representerOf } of places) {
      const ownObjects: Data[] = [];
      const ownPositions: number[] = [];
      objects.push(ownObjects);
      positions.push(ownPositions);
      const batch = createBatch((text, entity) => {
        // Another place may have an entity of the same representation.
        const known = places.length > 1 ? byText.get(text) : undefined;
        if (known !== undefined) return known;
        if (encoding === 'values') values.push((representerOf(entity['__typename']) as Representer).toValue(entity));
        byText.set(text, texts.length);
        return texts.push(text) - 1;
      });
      objectsAt(run.data, (object) => {
        const position = entities ? positionOf(object, representerOf(object['__typename']), batch, refused, run) : 0;
        if (position === undefined) return;
        ownObjects.push(object);
        ownPositions.push(position);
      });
    }
    const representations = entities && sortRepresentations(entities.variable, texts, values, positions);
    return { representations, objects, positions, refused, isEmpty: objects.every((own) => own.length === 0) };
  };

  const positionOf = (
    object: Data,
    representer: Representer | undefined,
    batch: Batch,
    refused: CollectedEntities['refused'],
    run: Run<unknown>,
  ): number | undefined => {
    if (!representer) {
      // Without a failure, the object is of a type that the fetch is not for.
      const failure = run.hasFailures ? own(object, TYPE_FAILURE) : undefined;
      if (failure instanceof Failure) failObject(run, object, failure.forDependent());
      return undefined;
    }
    if (!run.hasFailures) return representer.indexOf(object, batch);
    const { entity, failures } = representer.withoutFailures(object);
    if (failures.size === 0) return representer.indexOf(object, batch);
    const dependents = refuse(run, object, failures);
    if (!dependents) return undefined;
    refused.set(object, dependents);
    return representer.indexOf(entity, batch);
  };

  /**
   * Finds the fields that cannot be asked for because they require what failed. Where these are all, or where what
   * failed is needed to find the entity, the object's fields fail at once and nothing is given.
   */
  const refuse = (
    run: Run<unknown>,
    object: Data,
    failures: ReadonlyMap<string, Failure>,
  ): ReadonlyMap<string, Failure> | undefined => {
    const typename = String(object['__typename']);
    const asked = [...tree.fieldsOf(typename).values()].filter(({ selected }) => isSelected(selected, run.variables));
    const refused = new Map<string, Failure>();
    for (const [required, failure] of failures) {
      const dependents = asked.filter(({ name }) => requiredBy(typename, name).has(required));
      for (const { dataName, lost } of dependents) {
        refused.set(dataName, lost ? failure.forDependent().withLost(lost) : failure.forDependent());
      }
      if (dependents.length > 0 && asked.some(({ dataName: name }) => !refused.has(name) && name !== '__typename'))
        continue;
      failObject(run, object, failure.forDependent());
      return undefined;
    }
    return refused;
  };

  /** Whether an answer has something for every object that was asked for. */
  const isUsable = ({ representations }: CollectedEntities, data: Data): boolean => {
    const list = entities ? own(data, entities.name) : [data];
    return list instanceof Failure || (Array.isArray(list) && list.length === (representations?.texts.length ?? 1));
  };

  const receive = (run: Run<unknown>, { objects, positions, refused }: CollectedEntities, data: Data): void => {
    const list = entities ? own(data, entities.name) : [data];
    if (!Array.isArray(list)) {
      const failure = list instanceof Failure ? list.forDependent() : unusable();
      for (const object of objects.flat()) failObject(run, object, failure);
      return;
    }
    if (renamed.length > 0) renameFields(schema, list, renamed);
    const toFailure = createToFailure();
    for (const [place, own] of objects.entries()) {
      const ownPositions = positions[place] as number[];
      for (let index = 0; index < own.length; index++) {
        const object = own[index] as Data;
        const given: unknown = list[ownPositions[index] as number];
        if (!isData(given)) failObject(run, object, toFailure(given));
        else {
          // What is nested is shared by all objects of one place, where all that follows is the same for all of them.
          const fitting = place > 0 && hasNested ? copy(given) : given;
          const dependents = refused.size > 0 ? refused.get(object) : undefined;
          if (dependents) receivePart(run, object, fitting, dependents);
          else mergeGiven(object, fitting, run);
        }
      }
    }
  };

  /** Takes what is given for an object without the fields that were computed from a value that failed. */
  const receivePart = (
    run: Run<unknown>,
    object: Data,
    given: Data,
    dependents: ReadonlyMap<string, Failure>,
  ): void => {
    const others: Data = {};
    for (const name of Object.keys(given)) if (!dependents.has(name)) setOwn(others, name, given[name]);
    mergeGiven(object, others, run);
    for (const [name, failure] of dependents) {
      setOwn(object, name, combineFailure(own(object, name), failure, name, run));
    }
  };

  const unusable = (): Failure => new Failure([{ ...withService(NO_ANSWER, subgraph), path: [] }]);

  /**
   * The failure in the place of an entity. Null is no error: "Entries in the list can be null if no entity exists for a
   * provided representation." Source: the subgraph specification,
   * https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/subgraph-spec
   */
  const createToFailure = () => {
    let unknown: Failure | undefined;
    let invalid: Failure | undefined;
    return (given: unknown): Failure => {
      if (given instanceof Failure) return given;
      if (given !== null) {
        invalid ??= unusable();
        return invalid;
      }
      unknown ??= new Failure([]);
      return unknown;
    };
  };

  const fail = (run: Run<unknown>, { objects }: CollectedEntities, errors: readonly SubgraphError[]): void => {
    const reasons = errors.map(({ message, extensions = {}, path = [] }): FetchError => {
      return { message, extensions, path: entities ? [] : path };
    });
    const failure = new Failure(reasons, { isOfObject: true });
    for (const object of objects.flat()) failObject(run, object, failure);
  };

  /** The same with paths from the root of the data: one for each place where the entity is. */
  const toClient = <T extends { readonly path?: Path | undefined }>(
    run: Run<unknown>,
    { objects, positions }: CollectedEntities,
    { path = [], ...rest }: T,
  ): (Omit<T, 'path'> & { readonly path: Path })[] => {
    if (entities && path[0] !== entities.name) return [];
    return targets.flatMap((target, place) => {
      const wanted = objects[place]?.filter((_object, index) => !entities || positions[place]?.[index] === path[1]);
      const found = new Set(wanted);
      return locate(run.data, target.path)
        .filter(({ object }) => found.has(object))
        .map((at) => ({ ...rest, path: [...at.path, ...path.slice(entities ? 2 : 0)] }));
    });
  };

  /** Whether the errors of an answer can be about this input. */
  const isAbout = ({ path = [] }: SubgraphError): boolean =>
    !entities || path.length === 0 || path[0] === entities.name;

  return { collect, isUsable, receive, fail, toClient, isAbout };
};

type Place = { readonly objectsAt: ObjectsAt; readonly representerOf: ReturnType<typeof createRepresenters> };

const createPlace = (schema: GraphQLSchema, { path, requirement }: Target): Place => ({
  objectsAt: createObjectsAt(path),
  representerOf: requirement ? createRepresenters(schema, requirement) : () => undefined,
});
