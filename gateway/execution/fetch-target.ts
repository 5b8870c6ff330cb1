import type { GraphQLSchema } from 'graphql';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import { type Data, deepCopy, getOwn, isData, setOwn, TYPE_FAILURE } from './data.ts';
import type { KeysOf } from './entity-keys.ts';
import { Failure, type FetchError } from './failure.ts';
import { combineFailure, createMerge, extendFailures, failFields } from './merge.ts';
import { createObjectsAt, locate, type ObjectsAt, type Path } from './objects-at.ts';
import { renameFields } from './rename-fields.ts';
import { type Batch, createBatch, createRepresenters, type Representer } from './representations.ts';
import type { Requirements } from './requirements.ts';
import { createSelectionTree } from './selection-tree.ts';
import { type Fragments, isSelected } from './selections.ts';
import { sortRepresentations } from './sort-representations.ts';
import type { FetchTarget } from './steps.ts';
import type { Representations, SubgraphClient, SubgraphError, SubgraphResponse } from './subgraph-request.ts';

/** One execution of a program. */
export type Run<Context> = {
  readonly context: Context;
  /** The data fetched so far. */
  readonly data: Data;
  /** Variables as the client sent them, under the names that the plan uses. */
  readonly rawVariables: Readonly<Record<string, unknown>>;
  /** Coerced variables, including defaults. */
  readonly variables: Readonly<Record<string, unknown>>;
  hasFailures: boolean;
  /** Errors that caused no null. */
  readonly errors: SubgraphError[];
  readonly stale: StaleNote[];
  /** Reads the response of the subscribed subgraph to an event, in place of a fetch. Undefined for queries and mutations. */
  readonly event?: (() => Promise<SubgraphResponse>) | undefined;
  /** Called with the ids of a fetch when its response has been merged. */
  readonly onFetched?: ((id: string) => void) | undefined;
  /** Awaited before a response is processed, if responses are large. */
  readonly takeTurn?: (() => Promise<void> | undefined) | undefined;
};

export type FetchOptions = {
  /** The schema with all types and fields of the subgraphs. */
  readonly supergraphSchema: GraphQLSchema;
  readonly requiredBy: Requirements['requiredBy'];
  readonly keysOf: KeysOf;
};

/** The error for a response that cannot be used. */
export const UNUSABLE_RESPONSE = {
  message: 'A service returned an unusable response.',
  extensions: { code: 'UPSTREAM_BAD_RESPONSE' },
};

/** Adds the name of the subgraph to an error. */
export const withServiceName = <E extends SubgraphError>(error: E, serviceName: string) => ({
  ...error,
  extensions: { ...error.extensions, serviceName },
});

/** The objects that one target of a fetch adds fields to, in one execution. */
export type CollectedEntities = {
  readonly isEmpty: boolean;
  readonly representations: Representations | undefined;
  /** For each location, its objects, and the index of each object's representation. */
  readonly objects: readonly Data[][];
  readonly positions: readonly number[][];
  /** Fields to ignore in the response because they require a value that failed. */
  readonly skippedFields: Map<Data, ReadonlyMap<string, Failure>>;
};

export type FetchTargetOptions = FetchOptions & {
  readonly subgraph: string;
  readonly fragments: Fragments;
  readonly encoding: SubgraphClient<never>['encoding'];
};

/** Compiles one target of a fetch: collecting its objects and merging the response into them. */
export const createFetchTarget = (
  { supergraphSchema: schema, requiredBy, keysOf, subgraph, fragments, encoding }: FetchTargetOptions,
  { entities, selectionSet, locations, renames }: FetchTarget,
) => {
  const tree = createSelectionTree(schema, selectionSet, fragments, renames);
  const collectors = locations.map(({ path, requirement }): Collector => {
    const representerOf =
      requirement && createRepresenters(schema, requirement, (typename) => keysOf(subgraph, typename));
    return { objectsAt: createObjectsAt(path), representerOf: representerOf ?? (() => undefined) };
  });
  const mergeEntity = createMerge(schema, tree);
  const hasNested = [...tree.fieldsOf().values()].some(({ nested }) => nested);
  const missingPaths = locations.map(({ path }) => {
    return [...path, undefined].map((_step, done) => ({ tree, path: path.slice(done) }));
  });

  const failObject = (run: Run<unknown>, object: Data, failure: Failure): void =>
    failFields(object, failure, tree, run);

  const collect = (run: Run<unknown>): CollectedEntities => {
    const texts: string[] = [];
    const values: Data[] = [];
    const byText = new Map<string, number>();
    const skippedFields: CollectedEntities['skippedFields'] = new Map();
    const objects: Data[][] = [];
    const positions: number[][] = [];
    if (run.hasFailures) for (const missing of missingPaths) extendFailures(run.data, missing);
    for (const { objectsAt, representerOf } of collectors) {
      const locationObjects: Data[] = [];
      const locationPositions: number[] = [];
      objects.push(locationObjects);
      positions.push(locationPositions);
      const batch = createBatch((text, entity) => {
        // Another location may have an entity with the same representation.
        const existing = collectors.length > 1 ? byText.get(text) : undefined;
        if (existing !== undefined) return existing;
        if (encoding === 'object') values.push((representerOf(entity['__typename']) as Representer).toValue(entity));
        byText.set(text, texts.length);
        return texts.push(text) - 1;
      });
      objectsAt(run.data, (object) => {
        const position = entities
          ? positionOf(object, representerOf(object['__typename']), batch, skippedFields, run)
          : 0;
        if (position === undefined) return;
        locationObjects.push(object);
        locationPositions.push(position);
      });
    }
    const representations = entities && sortRepresentations(entities.variable, texts, values, positions);
    return {
      representations,
      objects,
      positions,
      skippedFields,
      isEmpty: objects.every((list) => list.length === 0),
    };
  };

  const positionOf = (
    object: Data,
    representer: Representer | undefined,
    batch: Batch,
    skippedFields: CollectedEntities['skippedFields'],
    run: Run<unknown>,
  ): number | undefined => {
    if (!representer) {
      // Without a failure, the object's type is not one that the fetch is for.
      const failure = run.hasFailures ? getOwn(object, TYPE_FAILURE) : undefined;
      if (failure instanceof Failure) failObject(run, object, failure.forDependent());
      return undefined;
    }
    if (!run.hasFailures) return representer.indexOf(object, batch);
    const { entity, failures } = representer.withoutFailures(object);
    if (failures.size === 0) return representer.indexOf(object, batch);
    const dependents = failDependents(run, object, failures);
    if (!dependents) return undefined;
    skippedFields.set(object, dependents);
    return representer.indexOf(entity, batch);
  };

  /**
   * Returns the fields that cannot be fetched because they require a value that failed. If these are all fields, or if the
   * failed value identifies the entity, fails the object's fields and returns undefined.
   */
  const failDependents = (
    run: Run<unknown>,
    object: Data,
    failures: ReadonlyMap<string, Failure>,
  ): ReadonlyMap<string, Failure> | undefined => {
    const typename = String(object['__typename']);
    const requested = [...tree.fieldsOf(typename).values()].filter(({ selected }) =>
      isSelected(selected, run.variables),
    );
    const skippedFields = new Map<string, Failure>();
    for (const [required, failure] of failures) {
      const dependents = requested.filter(({ name }) => requiredBy(typename, name).has(required));
      for (const { dataName, missing } of dependents) {
        skippedFields.set(dataName, missing ? failure.forDependent().withMissing(missing) : failure.forDependent());
      }
      if (
        dependents.length > 0 &&
        requested.some(({ dataName: name }) => !skippedFields.has(name) && name !== '__typename')
      )
        continue;
      failObject(run, object, failure.forDependent());
      return undefined;
    }
    return skippedFields;
  };

  /** Returns whether a response has an entry for every requested object. */
  const isUsable = ({ representations }: CollectedEntities, data: Data): boolean => {
    const list = entities ? getOwn(data, entities.name) : [data];
    return list instanceof Failure || (Array.isArray(list) && list.length === (representations?.texts.length ?? 1));
  };

  const receive = (run: Run<unknown>, { objects, positions, skippedFields }: CollectedEntities, data: Data): void => {
    const list = entities ? getOwn(data, entities.name) : [data];
    if (!Array.isArray(list)) {
      const failure = list instanceof Failure ? list.forDependent() : unusable();
      for (const object of objects.flat()) failObject(run, object, failure);
      return;
    }
    if (renames.length > 0) renameFields(schema, list, renames);
    const toFailure = createToFailure();
    for (const [location, locationObjects] of objects.entries()) {
      const locationPositions = positions[location] as number[];
      for (let index = 0; index < locationObjects.length; index++) {
        const object = locationObjects[index] as Data;
        const entity: unknown = list[locationPositions[index] as number];
        if (!isData(entity)) failObject(run, object, toFailure(entity));
        else {
          // All objects of one location share nested values. Every later step treats them alike.
          const source = location > 0 && hasNested ? deepCopy(entity) : entity;
          const dependents = skippedFields.size > 0 ? skippedFields.get(object) : undefined;
          if (dependents) receivePartial(run, object, source, dependents);
          else mergeEntity(object, source, run);
        }
      }
    }
  };

  /** Merges the response for an object, except fields that were computed from a value that failed. */
  const receivePartial = (
    run: Run<unknown>,
    object: Data,
    source: Data,
    dependents: ReadonlyMap<string, Failure>,
  ): void => {
    const received: Data = {};
    for (const name of Object.keys(source)) if (!dependents.has(name)) setOwn(received, name, source[name]);
    mergeEntity(object, received, run);
    for (const [name, failure] of dependents) {
      setOwn(object, name, combineFailure(getOwn(object, name), failure, name, run));
    }
  };

  const unusable = (): Failure => new Failure([{ ...withServiceName(UNUSABLE_RESPONSE, subgraph), path: [] }]);

  /**
   * Creates the failures that take the place of entities. Null is not an error: "Entries in the list can be null if no entity
   * exists for a provided representation." Source: the subgraph specification,
   * https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/subgraph-spec
   */
  const createToFailure = () => {
    let missing: Failure | undefined;
    let invalid: Failure | undefined;
    return (value: unknown): Failure => {
      if (value instanceof Failure) return value;
      if (value !== null) {
        invalid ??= unusable();
        return invalid;
      }
      missing ??= new Failure([]);
      return missing;
    };
  };

  const fail = (run: Run<unknown>, { objects }: CollectedEntities, errors: readonly SubgraphError[]): void => {
    const reasons = errors.map(({ message, extensions = {}, path = [] }): FetchError => {
      return { message, extensions, path: entities ? [] : path };
    });
    const failure = new Failure(reasons, { isParentRelative: true });
    for (const object of objects.flat()) failObject(run, object, failure);
  };

  /**
   * Creates a function that rewrites a path in the response to paths from the root of the data, one for each place of the
   * entity. Finds all places on the first call, so that many notes take no longer than one.
   */
  const createLocator = (run: Run<unknown>, { objects, positions }: CollectedEntities): ((path: Path) => Path[]) => {
    const findPlaces = (): Map<unknown, Path[]> => {
      const places = new Map<string | number, Path[]>();
      for (const [index, location] of locations.entries()) {
        const positionOf = new Map(objects[index]?.map((object, at) => [object, positions[index]?.[at]]));
        for (const { object, path } of locate(run.data, location.path)) {
          const position = positionOf.get(object);
          if (position === undefined) continue;
          const others = places.get(position);
          if (others) others.push(path);
          else places.set(position, [path]);
        }
      }
      return places;
    };
    let places: ReturnType<typeof findPlaces> | undefined;
    return (path) => {
      if (entities && path[0] !== entities.name) return [];
      places ??= findPlaces();
      const [position, rest] = entities ? [path[1], path.slice(2)] : [0, path];
      return (places.get(position ?? '') ?? []).map((place) => [...place, ...rest]);
    };
  };

  /** Returns whether an error of the response can concern this target. */
  const isRelevant = ({ path = [] }: SubgraphError): boolean =>
    !entities || path.length === 0 || path[0] === entities.name;

  return { collect, isUsable, receive, fail, createLocator, isRelevant };
};

type Collector = { readonly objectsAt: ObjectsAt; readonly representerOf: ReturnType<typeof createRepresenters> };
