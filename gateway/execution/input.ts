import { type GraphQLSchema, Kind, type SelectionSetNode } from 'graphql';
import type { StaleNote } from '../../subgraphs/field.ts';
import { createMerge, type Data, isData, setOwn } from './data.ts';
import { Failure, type FetchError } from './failure.ts';
import { createObjectsAt, locate, type ObjectsAt, type Path } from './objects-at.ts';
import { failFields } from './place-errors.ts';
import { renameFields } from './rename-fields.ts';
import { type Batch, createBatch, createRepresenters, type Representer } from './representations.ts';
import type { Requirements } from './requirements.ts';
import { collectFields, type Fragments, isSelected, responseName } from './selections.ts';
import type { Input, Target } from './steps.ts';
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
  readonly takeTurn?: (() => Promise<void>) | undefined;
};

export type FetchOptions = {
  /** With all types and fields that subgraphs have. */
  readonly supergraphSchema: GraphQLSchema;
  readonly requiredBy: Requirements['requiredBy'];
};

/** What is said of an answer that is none. */
export const NO_ANSWER = { message: 'A service gave no answer.', extensions: { code: 'UPSTREAM_BAD_RESPONSE' } };

/** An error with the name of the subgraph that it is of. */
export const withService = <E extends SubgraphError>(error: E, serviceName: string) => ({
  ...error,
  extensions: { ...error.extensions, serviceName },
});

/** What one input of a fetch is about, in one execution. */
export type Gathered = {
  readonly isEmpty: boolean;
  readonly representations: Representations | undefined;
  /** For each target, its objects, and which representation each has. */
  readonly objects: readonly Data[][];
  readonly positions: readonly number[][];
  /** Fields that are not taken from the answer: they require a value that failed. */
  readonly refused: Map<Data, ReadonlyMap<string, Failure>>;
};

export type InputOptions = FetchOptions & {
  /** The type that the fetch's root fields are of. */
  readonly rootType: string;
  readonly subgraph: string;
  readonly fragments: Fragments;
  readonly takes: SubgraphClient<never>['takes'];
};

/** Compiles what a request does for one of its inputs: gathers the objects, and receives what is given for them. */
export const createInput = (
  { supergraphSchema: schema, requiredBy, rootType, subgraph, fragments, takes }: InputOptions,
  { entities, selectionSet, targets, renamed }: Input,
) => {
  const selections = [{ selectionSet, conditions: [] }];
  const places = targets.map((target) => createPlace(schema, target));
  const mergeGiven = createMerge(namesIn(selectionSet, fragments));
  const hasNested = selectsObjects(selectionSet, fragments);

  const failObject = (run: Run<unknown>, object: Data, failure: Failure): void => {
    run.hasFailures = true;
    failFields(object, failure, { schema, typename: rootType, selections, fragments, variables: run.variables });
  };

  const gather = (run: Run<unknown>): Gathered => {
    const texts: string[] = [];
    const values: Data[] = [];
    const byText = new Map<string, number>();
    const refused: Gathered['refused'] = new Map();
    const objects: Data[][] = [];
    const positions: number[][] = [];
    for (const { objectsAt, representerOf } of places) {
      const ownObjects: Data[] = [];
      const ownPositions: number[] = [];
      objects.push(ownObjects);
      positions.push(ownPositions);
      const batch = createBatch((text, entity) => {
        // Another place may have an entity of the same representation.
        const known = places.length > 1 ? byText.get(text) : undefined;
        if (known !== undefined) return known;
        if (takes === 'values') values.push((representerOf(entity['__typename']) as Representer).toValue(entity));
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
    const representations = entities && sortAll(entities.variable, texts, values, positions);
    return { representations, objects, positions, refused, isEmpty: objects.every((own) => own.length === 0) };
  };

  const positionOf = (
    object: Data,
    representer: Representer | undefined,
    batch: Batch,
    refused: Gathered['refused'],
    run: Run<unknown>,
  ): number | undefined => {
    if (!representer) return undefined;
    if (!run.hasFailures) return representer.indexOf(object, batch);
    const { entity, failures } = representer.withoutFailures(object);
    if (failures.size === 0) return representer.indexOf(object, batch);
    const fields = refuse(run, object, failures);
    if (!fields) return undefined;
    refused.set(object, fields);
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
    const asked = [...collectFields(schema, typename, selections, fragments)].filter(([, selected]) =>
      isSelected(selected, run.variables),
    );
    const fields = new Map<string, Failure>();
    for (const [required, failure] of failures) {
      const dependents = asked.filter(([, [one]]) => one && requiredBy(typename, one.node.name.value).has(required));
      for (const [name] of dependents) fields.set(name, failure.forDependent());
      if (dependents.length > 0 && asked.some(([name]) => !fields.has(name) && name !== '__typename')) continue;
      failObject(run, object, failure.forDependent());
      return undefined;
    }
    return fields;
  };

  const receive = (run: Run<unknown>, { representations, objects, positions, refused }: Gathered, data: Data): void => {
    const list = entities ? data[entities.name] : [data];
    if (!Array.isArray(list) || (representations && list.length !== representations.texts.length)) {
      const failure =
        list instanceof Failure
          ? list.forDependent()
          : new Failure([{ ...withService(NO_ANSWER, subgraph), path: [] }]);
      for (const object of objects.flat()) failObject(run, object, failure);
      return;
    }
    if (renamed.length > 0) renameFields(schema, list, renamed);
    for (const [place, own] of objects.entries()) {
      const ownPositions = positions[place] as number[];
      for (let index = 0; index < own.length; index++) {
        const object = own[index] as Data;
        const given = list[ownPositions[index] as number];
        if (given instanceof Failure) failObject(run, object, given);
        // What is nested is shared by all objects of one place, where all that follows is the same for all of them.
        else if (isData(given)) mergeGiven(object, place > 0 && hasNested ? copy(given) : given);
      }
    }
    for (const [object, fields] of refused) for (const [name, failure] of fields) setOwn(object, name, failure);
  };

  const fail = (run: Run<unknown>, { objects }: Gathered, errors: readonly SubgraphError[]): void => {
    const reasons = errors.map(({ message, extensions = {}, path = [] }): FetchError => {
      return { message, extensions, path: entities ? [] : path };
    });
    const failure = new Failure(reasons, { ofObject: true });
    for (const object of objects.flat()) failObject(run, object, failure);
  };

  /** The same with the client's paths: one for each place where the entity is. */
  const toClient = <T extends { readonly path?: Path | undefined }>(
    run: Run<unknown>,
    { objects, positions }: Gathered,
    told: T,
  ): T[] => {
    const { path } = told;
    if (!path) return entities && entities.name !== '_entities' ? [] : [told];
    if (entities && path[0] !== entities.name) return [];
    return targets.flatMap((target, place) => {
      const wanted = objects[place]?.filter((_object, index) => !entities || positions[place]?.[index] === path[1]);
      const found = new Set(wanted);
      return locate(run.data, target.path)
        .filter(({ object }) => found.has(object))
        .map((at) => ({ ...told, path: [...at.path, ...path.slice(entities ? 2 : 0)] }));
    });
  };

  return { gather, receive, fail, toClient };
};

/**
 * Puts representations in an order of their own: the same entities are often come by in another, and requests that ask
 * the same should look the same.
 */
const sortAll = (variable: string, texts: string[], values: Data[], positions: number[][]): Representations => {
  if (texts.length < 2) return { variable, texts, values };
  const order = texts
    .map((_text, index) => index)
    .sort((a, b) => ((texts[a] as string) < (texts[b] as string) ? -1 : 1));
  const places: number[] = [];
  for (const [place, index] of order.entries()) places[index] = place;
  for (const own of positions) for (let at = 0; at < own.length; at++) own[at] = places[own[at] as number] as number;
  return {
    variable,
    texts: order.map((index) => texts[index] as string),
    values: values.length > 0 ? order.map((index) => values[index] as Data) : values,
  };
};

type Place = { readonly objectsAt: ObjectsAt; readonly representerOf: ReturnType<typeof createRepresenters> };

const createPlace = (schema: GraphQLSchema, { path, requirement }: Target): Place => ({
  objectsAt: createObjectsAt(path),
  representerOf: requirement ? createRepresenters(schema, requirement) : () => undefined,
});

/** The response names of fields, whatever types they are for. */
const namesIn = ({ selections }: SelectionSetNode, fragments: Fragments): string[] => [
  ...new Set(
    selections.flatMap((selection) => {
      if (selection.kind === Kind.FIELD) return [responseName(selection)];
      const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
      return inner ? namesIn(inner.selectionSet, fragments) : [];
    }),
  ),
];

/** Whether a field is selected that has fields itself. */
const selectsObjects = ({ selections }: SelectionSetNode, fragments: Fragments): boolean =>
  selections.some((selection) => {
    if (selection.kind === Kind.FIELD) return selection.selectionSet !== undefined;
    const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
    return inner !== undefined && selectsObjects(inner.selectionSet, fragments);
  });

const copy = <T>(value: T): T => {
  if (Array.isArray(value)) return value.map(copy) as T;
  if (!isData(value)) return value;
  const result: Data = {};
  for (const name of Object.keys(value)) setOwn(result, name, copy(value[name]));
  return result as T;
};
