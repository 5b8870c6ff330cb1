import {
  type DirectiveNode,
  type FieldNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  Kind,
  type SelectionSetNode,
  valueFromASTUntyped,
} from 'graphql';
import type { ReadFacts } from '../../connectors/describe-reads.ts';
import type { ReadKey } from '../../connectors/reads/read.ts';
import type { Amount, FieldInfo, SubgraphCosts } from '../../subgraphs/kit/costs.ts';
import { readCondition } from '../execution/conditions.ts';
import { type Fragments, fragmentMap, responseName } from '../execution/selections.ts';
import {
  type Fetch,
  type FetchTarget,
  fragmentsIn,
  type RequiredSelection,
  type Step,
  TYPE_CONDITION_PREFIX,
} from '../execution/steps.ts';
import { canBeOfType, isOfType } from '../execution/types.ts';
import { mostBatches, usualBatches } from './batches.ts';
import { type Measurements, type OperationCost, SUBGRAPH_REQUEST } from './calls.ts';
import type { CostDirectives } from './cost-directives.ts';
import { fanOutKey } from './fan-out-key.ts';
import { countLists, createListLength, type ListLength } from './list-length.ts';
import { type FetchCalls, sumCalls } from './sum-calls.ts';

/** What the gateway knows of the provider behind a subgraph. */
export type ProviderCosts = {
  readonly costs: SubgraphCosts;
  readonly reads: ReadonlyMap<string, ReadFacts>;
  /** Estimates how long requests would wait for permits now, in milliseconds. Undefined if another process calls the provider. */
  readonly forecast?: ((requests: ReadonlyMap<string, number>) => number) | undefined;
};

export type CallEstimateOptions = {
  readonly supergraphSchema: GraphQLSchema;
  readonly costDirectives: CostDirectives;
  /** Assumed length of a list that states none, before it was measured. */
  readonly assumedListSize: number;
  /** Returns what is known of a subgraph's provider. Undefined for an external subgraph: one request to it counts as one call. */
  readonly providerOf: (subgraph: string) => ProviderCosts | undefined;
  readonly measurements: Measurements;
  readonly steps: readonly Step[];
};

/** What the estimate depends on, besides the operation. */
export type EstimateInput = {
  /** Coerced values, by the plan's names. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** Whether the sender is a customer, who sees only their own data. */
  readonly isCustomer: boolean;
  /** Whether the cache is bypassed. */
  readonly noCache: boolean;
};

/** Length that a list without a stated length can have at most. */
const MAX_UNSTATED_LENGTH = 1_000;

/** No product of two such numbers is infinite. */
const MAX_AMOUNT = 1e12;

const ONE: Amount = { atLeast: 1, expected: 1, atMost: 1 };
const NOTHING: Amount = { atLeast: 0, expected: 0, atMost: 0 };

const toAmount = (amount: number | Amount): Amount =>
  typeof amount === 'number' ? { atLeast: amount, expected: amount, atMost: amount } : amount;

const times = (one: Amount, other: Amount): Amount => ({
  atLeast: (one.atLeast ?? 0) * (other.atLeast ?? 0),
  expected: one.expected * other.expected,
  atMost: Math.min(MAX_AMOUNT, one.atMost * other.atMost),
});

const plus = (one: Amount, other: Amount): Amount => ({
  atLeast: (one.atLeast ?? 0) + (other.atLeast ?? 0),
  expected: one.expected + other.expected,
  atMost: one.atMost + other.atMost,
});

/** Whether there are any: at most one. */
const atMostOne = ({ atLeast = 0, expected, atMost }: Amount): Amount => ({
  atLeast: Math.min(1, atLeast),
  expected: Math.min(1, expected),
  atMost: Math.min(1, atMost),
});

/** An object whose fields a fetch selects. */
type Position = {
  readonly fetch: Fetch;
  /** Identifies it in the fetch. The locations of a target share it, because their entities are resolved together. */
  readonly id: string;
  readonly typename: string;
  readonly amount: Amount;
  /** Its path in the data. */
  readonly path: string;
  /** The coordinate of the field that returns it, in this subgraph. */
  readonly parent: string | undefined;
  /** The fields whose length the arguments of its parent state. */
  readonly sized: { readonly fields: readonly string[]; readonly length: Amount } | undefined;
  /** Names of fields that the planner has given an alias. */
  readonly renames: ReadonlyMap<string, string>;
};

/** Keys of one read that are loaded at the same time by the same operation. */
type Load = { readonly fetch: Fetch; readonly facts: ReadFacts; readonly operation: string; keys: Amount };

/**
 * Creates the estimate of an operation's provider calls from its plan. The number of objects is multiplied along each path; the
 * keys that a field loads for all of its objects share batches.
 *
 * `atMost` always holds, because a call beyond it is not made. `expected` uses what was measured.
 */
export const createCallEstimate = (options: CallEstimateOptions): ((input: EstimateInput) => OperationCost) => {
  const fragments = new Map<Fetch, Fragments>();
  const lengths = new Map<FieldNode, ListLength>();
  const isKnown = (subgraph: string): boolean => options.providerOf(subgraph) !== undefined;
  return (input) => sumCalls(collectCalls(options, { fragments, lengths }, input), isKnown);
};

/** What is derived from the plan once. */
type Memo = { readonly fragments: Map<Fetch, Fragments>; readonly lengths: Map<FieldNode, ListLength> };

const collectCalls = (options: CallEstimateOptions, memo: Memo, input: EstimateInput): readonly FetchCalls[] => {
  const { supergraphSchema: schema, providerOf, measurements } = options;
  const { variables, isCustomer, noCache } = input;
  const fetches: Fetch[] = [];
  /** The number of objects at each path of the data. */
  const objects = new Map<string, Amount>([['', ONE]]);
  const loads = new Map<string, Load>();
  const found: FetchCalls[] = [];
  const seen = new Set<string>();

  /** Whether this is the first time for a key. */
  const isFirst = (key: string): boolean => !seen.has(key) && Boolean(seen.add(key));

  const visitStep = (step: Step): void => {
    if (step.kind === 'condition') visitStep(variables[step.variable] === true ? step.whenTrue : step.whenFalse);
    if (step.kind === 'fetch') visitFetch(step.fetch);
    if (step.kind === 'parallel') for (const fetch of step.shared) visitFetch(fetch);
    if (step.kind === 'sequence' || step.kind === 'parallel') for (const one of step.steps) visitStep(one);
  };

  const visitFetch = (fetch: Fetch): void => {
    if (fetches.includes(fetch)) return;
    fetches.push(fetch);
    let amount = NOTHING;
    for (const [index, target] of fetch.targets.entries()) {
      const renames = new Map(target.renames.map(({ path, name }) => [path.at(-1) ?? '', name]));
      for (const { path: steps, requirement } of target.locations) {
        const path = steps.filter((step) => !step.startsWith(TYPE_CONDITION_PREFIX)).join('.');
        const id = `${fetches.length}.${index}`;
        const at = { fetch, id, path, amount: objectsAt(path), parent: undefined, sized: undefined, renames };
        amount = plus(amount, at.amount);
        if (target.entities) visitEntities(target, at, new Set(requirement?.selections.flatMap(namesIn)));
        else visitSelections(target.selectionSet, { ...at, typename: schema.getRootType(fetch.kind)?.name ?? '' });
      }
    }
    // A request that fails without a response is sent again.
    if (!providerOf(fetch.subgraph))
      addRequests(fetch, SUBGRAPH_REQUEST, times(atMostOne(amount), { ...ONE, atMost: 2 }));
  };

  /** Returns the number of objects at a path, or that of its longest known prefix if the plan adds fields on the way. */
  const objectsAt = (path: string): Amount => {
    const known = objects.get(path);
    if (known) return known;
    const prefix = path.slice(0, Math.max(0, path.lastIndexOf('.')));
    return times(objectsAt(prefix), { expected: 1, atMost: path.endsWith('@') ? MAX_UNSTATED_LENGTH : 1 });
  };

  const visitEntities = (
    { selectionSet }: FetchTarget,
    at: Omit<Position, 'typename'>,
    keys: ReadonlySet<string>,
  ): void => {
    for (const selection of selectionSet.selections) {
      const typename = selection.kind === Kind.INLINE_FRAGMENT && selection.typeCondition?.name.value;
      if (!typename || !isIncluded(selection.directives)) continue;
      const position = { ...at, id: `${at.id} ${typename}`, typename };
      addCost(position, position.id, '__resolveReference', { keys });
      visitSelections(selection.selectionSet, position);
    }
  };

  const visitSelections = ({ selections }: SelectionSetNode, position: Position): void => {
    for (const selection of selections) {
      if (!isIncluded(selection.directives)) continue;
      if (selection.kind === Kind.FIELD) {
        visitField(selection, position);
        continue;
      }
      const inner =
        selection.kind === Kind.INLINE_FRAGMENT ? selection : fragmentsOf(position.fetch).get(selection.name.value);
      const condition = inner?.typeCondition?.name.value;
      if (!inner || condition === undefined || isOfType(schema, position.typename, condition)) {
        if (inner) visitSelections(inner.selectionSet, position);
      } else if (canBeOfType(schema, position.typename, condition)) {
        const type = schema.getType(position.typename);
        const share = isAbstractType(type) ? 1 / schema.getPossibleTypes(type).length : 1;
        const amount = times(position.amount, { expected: share, atMost: 1 });
        visitSelections(inner.selectionSet, { ...position, typename: condition, amount });
      }
    }
  };

  const visitField = (node: FieldNode, position: Position): void => {
    const definition = fieldsOf(schema.getType(position.typename))[node.name.value];
    if (!definition) return;
    const coordinate = `${position.typename}.${definition.name}`;
    const length = lengthOf(node, definition, coordinate);
    const sizesFields = length.sizedFields.length > 0;
    const stated = length.fromArguments(variables);
    const key = sizesFields ? fanOutKey(coordinate, stated, length.isPartial(variables)) : fanOutKey(coordinate);
    const own: Amount = {
      expected: measurements.fanOutOf(key) ?? stated ?? length.assumed,
      atMost: stated ?? MAX_UNSTATED_LENGTH,
    };
    const isSized = position.sized?.fields.includes(definition.name);
    const items =
      isSized && position.sized ? position.sized.length : { ...own, expected: Math.min(own.expected, own.atMost) };
    const id = `${position.id}.${responseName(node)}`;
    const path = [position.path, position.renames.get(responseName(node)) ?? responseName(node)]
      .filter(Boolean)
      .join('.');
    // A field can be selected by several fragments.
    const isNew = isFirst(`${position.typename} ${id} ${path}`);
    if (isNew)
      addCost(position, id, definition.name, { args: argumentsOf(node, definition, variables), length: items });
    const named = getNamedType(definition.type);
    if (!node.selectionSet || !isCompositeType(named)) return;
    const lists = countLists(definition);
    const present = { expected: lists === 0 ? (measurements.fanOutOf(coordinate) ?? 1) : 1, atMost: 1 };
    const amount = times(position.amount, lists === 0 ? present : items);
    const itemPath = path + '.@'.repeat(lists);
    if (isNew) objects.set(itemPath, plus(objects.get(itemPath) ?? NOTHING, amount));
    visitSelections(node.selectionSet, {
      ...position,
      id,
      typename: named.name,
      amount,
      path: itemPath,
      parent: coordinate,
      sized: sizesFields ? { fields: length.sizedFields, length: items } : undefined,
    });
  };

  /** Adds what a field costs. `id` identifies the field in the fetch, and `at` is the object that it is selected on. */
  const addCost = (at: Position, id: string, field: string, info: Partial<FieldInfo>): void => {
    const { fetch, path, amount, parent } = at;
    const costs = providerOf(fetch.subgraph)?.costs;
    const coordinate = `${at.typename}.${field}`;
    const declared = (isCustomer ? costs?.ownFields?.[coordinate] : undefined) ?? costs?.fields[coordinate];
    if (!declared) return;
    const { reads = {}, requests = {} } =
      typeof declared === 'function'
        ? declared({ args: {}, length: ONE, keys: NO_KEYS, parent, objects: amount, ...info })
        : declared;
    for (const [read, keys = 0] of Object.entries(reads)) {
      const { isShared = false, example = undefined } = typeof keys === 'number' ? {} : keys;
      const facts = factsOf(fetch.subgraph, read);
      const operation = facts.operationOf((example ?? '') as ReadKey);
      // Fields of one object that load its own key load it once. Root fields have keys of their own. Those of a query are loaded
      // at the same time.
      const isRoot = path === '';
      const isOwnKey = typeof keys === 'number' && !isRoot;
      const key = `${isOwnKey || (isRoot && fetch.kind === 'query') ? at.id : id} ${read} ${operation}`;
      if (isOwnKey && !isFirst(`${key} at ${path}`)) continue;
      const loaded = times(isShared ? atMostOne(amount) : amount, toAmount(keys));
      const load = loads.get(key);
      if (load) load.keys = plus(load.keys, loaded);
      else loads.set(key, { fetch, facts, operation, keys: loaded });
    }
    for (const [operation, count] of Object.entries(requests)) {
      addRequests(fetch, operation, times(amount, toAmount(count)));
    }
  };

  const addRequests = (fetch: Fetch, operation: string, { atLeast = 0, expected, atMost }: Amount): void => {
    const { subgraph } = fetch;
    const calls = { subgraph, operation, keys: 0, atLeast, expected, expectedUncached: expected, atMost };
    found.push({ fetch, calls, batchSize: 0 });
  };

  const factsOf = (subgraph: string, read: string): ReadFacts => {
    const facts = providerOf(subgraph)?.reads.get(read);
    if (!facts) throw new Error(`The costs of ${subgraph} name the read ${read}, which does not exist.`);
    return facts;
  };

  const callsOf = ({ fetch, facts: { batchSize, requestsPerBatch = 1 }, operation, keys }: Load): FetchCalls => {
    const { subgraph } = fetch;
    const hitRate = noCache ? 0 : measurements.hitRateOf(subgraph, operation);
    const calls = {
      subgraph,
      operation,
      keys: keys.expected,
      atLeast: noCache ? Math.min(1, keys.atLeast ?? 0) : 0,
      expected: usualBatches(keys.expected * (1 - hitRate), batchSize),
      expectedUncached: usualBatches(keys.expected, batchSize),
      atMost: mostBatches(keys.atMost, batchSize) * requestsPerBatch,
    };
    return { fetch, calls, batchSize: keys.atMost > 0 ? batchSize : 0 };
  };

  const isIncluded = (directives: readonly DirectiveNode[] = []): boolean =>
    directives.every((directive) => {
      const { value, selects = true } = readCondition(directive) ?? {};
      if (value?.kind === Kind.BOOLEAN) return value.value === selects;
      return value?.kind !== Kind.VARIABLE || (variables[value.name.value] === true) === selects;
    });

  const fragmentsOf = (fetch: Fetch): Fragments => {
    const known = memo.fragments.get(fetch) ?? fragmentMap(fragmentsIn(fetch.document));
    memo.fragments.set(fetch, known);
    return known;
  };

  const lengthOf = (node: FieldNode, definition: GraphQLField<unknown, unknown>, coordinate: string): ListLength => {
    const { costDirectives, assumedListSize } = options;
    const known =
      memo.lengths.get(node) ??
      createListLength(node, definition, costDirectives.listSizes.get(coordinate), assumedListSize);
    memo.lengths.set(node, known);
    return known;
  };

  for (const step of options.steps) visitStep(step);
  return [...found, ...[...loads.values()].map(callsOf)];
};

const NO_KEYS: ReadonlySet<string> = new Set();

/** Returns the names of the fields in a selection of the plan. */
const namesIn = (node: RequiredSelection): string[] =>
  node.kind === 'Field' ? [node.name] : node.selections.flatMap(namesIn);

const fieldsOf = (type: GraphQLNamedType | undefined): Readonly<Record<string, GraphQLField<unknown, unknown>>> =>
  isObjectType(type) || isInterfaceType(type) ? type.getFields() : {};

const argumentsOf = (
  { arguments: nodes = [] }: FieldNode,
  { args }: GraphQLField<unknown, unknown>,
  variables: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> => {
  const values: Record<string, unknown> = {};
  for (const { name, defaultValue } of args) {
    const node = nodes.find((argument) => argument.name.value === name)?.value;
    const value = node ? valueFromASTUntyped(node, variables) : undefined;
    values[name] = value === undefined ? defaultValue : value;
  }
  return values;
};
