import { composeServices } from '@apollo/composition';
import { parse, type VariableDefinitionNode } from 'graphql';
import { beforeEach, describe, expect, test } from 'vitest';
import { createMeasurements } from '../../../gateway/cost/measurements.ts';
import { createRunningValues } from '../../../gateway/cost/running-values.ts';
import { createCompiledGateway } from '../../../gateway/execution/gateway.ts';
import { createGraph, type Graph, type GraphCallCosts } from '../../../gateway/execution/graph.ts';
import type { GraphAuthorization } from '../../../gateway/execution/request-rights.ts';
import { createApolloPlanner } from '../../../gateway/planning/apollo-planner.ts';
import { loadSupergraph } from '../../../gateway/supergraph/load-supergraph.ts';
import { SupergraphError } from '../../../gateway/supergraph/supergraph-error.ts';
import { createLog } from '../../../runtime/log.ts';
import { createTurnQueue } from '../../../runtime/turn-queue.ts';
import { composeSubgraphs } from '../../helpers/subgraph-server.ts';
import { createSubgraphs } from './fixture-graph.ts';

/* The number of times that an operation is planned. Calls of the planner are counted; subgraphs return no data. */

const SUBGRAPHS = createSubgraphs();
const supergraphSdl = composeSubgraphs(SUBGRAPHS);

/** Nothing is known of the providers behind the subgraphs. */
const CALL_COSTS: GraphCallCosts<object> = {
  providerOf: () => undefined,
  measurements: createMeasurements(),
  onError: (error) => {
    throw error;
  },
  inputOf: () => ({ isCustomer: false, noCache: false }),
  begin: () => () => [],
  preview: async () => undefined,
};

const ESTIMATE_LIMITS = { maxObjects: 10_000, maxValues: 100_000, assumedListSize: 10 };

let planned: number;
/** Number of subgraph requests. */
let sent: number;
const makeGraph = (maxPrograms = 10, maxProgramBytes = 10_000_000): Promise<Graph<object>> =>
  makeGraphOf(supergraphSdl, { maxPrograms, maxProgramBytes });

type MadeOf = {
  readonly random?: () => number;
  readonly maxPrograms?: number;
  readonly maxProgramBytes?: number;
  readonly authorization?: GraphAuthorization<object>;
};

const makeGraphOf = async (
  supergraphSdl: string,
  { random = Math.random, maxPrograms = 10, maxProgramBytes = 10_000_000, authorization }: MadeOf,
): Promise<Graph<object>> => {
  const limits = { introspection: true, timeoutMs: 10_000, maxWaitMs: 10_000 };
  const { sdl, planner, apiSchema, schema } = await loadSupergraph(supergraphSdl, (text) =>
    createApolloPlanner({ supergraphSdl: text, ...limits }),
  );
  return createGraph<object>({
    apiSchema,
    supergraphSchema: schema,
    supergraphSdl: sdl,
    callCosts: CALL_COSTS,
    planner: {
      ...planner,
      plan: (...given) => {
        planned += 1;
        return planner.plan(...given);
      },
    },
    clientOf: () => ({
      encoding: 'json',
      prepare: () => async () => {
        sent += 1;
        return { data: {} };
      },
    }),
    overrides: { enabledLabels: [], random },
    maxPrograms,
    maxProgramBytes,
    maxAnswerValues: 100_000,
    turns: createTurnQueue(),
    runningValues: createRunningValues(100_000),
    estimateLimits: ESTIMATE_LIMITS,
    introspection: true,
    authorization,
  });
};

const operationOf = (text: string, operationName?: string) => {
  const document = parse(text);
  const [first] = document.definitions as unknown as { variableDefinitions?: VariableDefinitionNode[] }[];
  return { document, operationName, variableDefinitions: first?.variableDefinitions ?? [], hash: text };
};
const ask = (graph: Graph<object>, text: string, variables = {}, operationName?: string) =>
  graph.execute(operationOf(text, operationName), variables, {});

beforeEach(() => {
  planned = 0;
  sent = 0;
});

test('an operation is planned on first use, each operation of a document separately', async () => {
  const graph = await makeGraph();
  const text = 'query A { people { name } } query B { people { nick } }';
  for (const name of ['A', 'B', 'A', 'B']) await ask(graph, text, {}, name);
  expect(planned).toBe(2);
});

test('a cached operation that times out before it starts sends no requests', async () => {
  const graph = await makeGraph();
  const operation = operationOf('{ people { name } }');
  expect(sent).toBe(0);
  await graph.execute(operation, {}, {});
  expect(sent).toBe(1);
  const signal = AbortSignal.abort(new DOMException('The time is up.', 'TimeoutError'));
  const { errors } = await graph.execute(operation, {}, {}, { deadline: { signal } });
  expect(errors).toMatchObject([{ extensions: { code: 'REQUEST_TIMEOUT' } }]);
  expect(sent).toBe(1);
});

test('an operation is planned once for all variables, except for conditions that the planner handles incorrectly', async () => {
  const graph = await makeGraph();
  const plain = 'query($first: Int, $yes: Boolean!) { people(first: $first) { name @skip(if: $yes) } }';
  for (const first of [1, 2, 3]) await ask(graph, plain, { first, yes: first > 1 });
  expect(planned).toBe(1);
  const nested = 'query($a: Boolean!, $b: Boolean!) { people @skip(if: $a) { name @skip(if: $b) } }';
  for (const [a, b] of [
    [true, true],
    [true, false],
    [true, true],
  ])
    await ask(graph, nested, { a, b });
  // Once to detect the incorrect conditions, and once for each set of values.
  expect(planned).toBe(1 + 1 + 2);
});

test.each([
  ['their number', [1, 10_000_000]],
  ['their size', [10, 10_000]],
] as const)('the cache of programs is bounded by %s, and the latest program stays', async (_, bounds) => {
  const graph = await makeGraph(...bounds);
  const [first, second] = ['{ people { name } }', '{ people { nick } }'];
  for (const text of [first, second, second, first]) await ask(graph, text);
  expect(planned).toBe(3);
});

test('operations of one version are compiled for the next one, except invalid ones', async () => {
  const [old, next] = [await makeGraph(), await makeGraph()];
  await ask(old, '{ people { name } }');
  await ask(old, '{ people { nick } }');
  const operations = [...old.operations(), operationOf('{ people { goneSince } }')];
  expect(operations.map(({ hash }) => hash)).toEqual([
    '{ people { nick } }',
    '{ people { name } }',
    '{ people { goneSince } }',
  ]);
  planned = 0;
  sent = 0;
  for (const operation of operations) await next.warm(operation);
  expect(planned).toBe(2);
  await ask(next, '{ people { name } }');
  expect(planned).toBe(2);
});

describe('access rules', () => {
  const guarded = composeServices([
    {
      name: 'shop',
      url: 'http://shop',
      typeDefs: parse(`
        extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@authenticated", "@requiresScopes"])
        type Query {
          a: Int @authenticated
          b: Int @requiresScopes(scopes: [["b"]])
          c: Int
          d: Int @requiresScopes(scopes: [["b"]]) @authenticated
        }`),
    },
  ]).supergraphSdl;
  let asked: string[][];
  /** The context says which rules a request does not satisfy. */
  const makeGuarded = (): Promise<Graph<object>> =>
    makeGraphOf(guarded ?? '', {
      authorization: {
        findUnmet: (rules, _, context) => {
          asked.push(rules.map(({ key }) => key));
          return rules.filter(({ key }) => (context as { unmet: string[] }).unmet.includes(key));
        },
        rejects: false,
      },
    });
  const [AUTHENTICATED, SCOPES] = ['@authenticated', '@requiresScopes [["b"]]'] as const;
  beforeEach(() => {
    asked = [];
  });

  test('an operation has a program for each set of rules that requests do not satisfy', async () => {
    const graph = await makeGuarded();
    const sets = [[], [AUTHENTICATED], [SCOPES], [AUTHENTICATED, SCOPES], [SCOPES, AUTHENTICATED, 'another']];
    for (const unmet of [...sets, ...sets]) await graph.execute(operationOf('{ a b c }'), {}, { unmet });
    expect(planned).toBe(4);
    expect(new Set(asked.map(String))).toEqual(new Set([`${AUTHENTICATED},${SCOPES}`]));
  });

  test('an operation without rules, or without those fields, asks for nothing', async () => {
    const graph = await makeGuarded();
    await graph.execute(operationOf('{ c __typename }'), {}, { unmet: [] });
    await graph.execute(operationOf('query A { a } query C { c }', 'C'), {}, { unmet: [] });
    expect(asked).toEqual([]);
    const query = 'query($no: Boolean!) { a @skip(if: $no) c }';
    await graph.execute(operationOf(query), { no: true }, { unmet: [AUTHENTICATED] });
    expect(asked).toEqual([[AUTHENTICATED]]);
  });

  test('a field with several rules, and several fields with one, have each rule once', async () => {
    const graph = await makeGuarded();
    await graph.execute(operationOf('{ d b a again: a }'), {}, { unmet: [] });
    expect(asked).toEqual([[AUTHENTICATED, SCOPES]]);
  });

  test('after a change, the programs in use are compiled for the same rules', async () => {
    const [old, next] = [await makeGuarded(), await makeGuarded()];
    for (const unmet of [[], [SCOPES]]) await old.execute(operationOf('{ b c }'), {}, { unmet });
    for (const operation of old.operations()) await next.warm(operation);
    expect(planned).toBe(4);
    for (const unmet of [[], [SCOPES]]) await next.execute(operationOf('{ b c }'), {}, { unmet });
    expect(planned).toBe(4);
    await next.execute(operationOf('{ b c }'), {}, { unmet: [AUTHENTICATED] });
    expect(planned).toBe(4);
  });
});

test('a progressive override has a plan for each possible decision, and none for operations without its field', async () => {
  const percents = [20, 40, 60, 80];
  const moved = percents.map((n) => `f${n}: Int @override(from: "old", label: "percent(${n})")`).join(' ');
  const sdl = composeSubgraphs({
    old: { schema: `type Query { other: Int ${percents.map((n) => `f${n}: Int`).join(' ')} }` },
    next: { schema: `type Query { ${moved} }` },
  });
  let drawn = 0;
  const graph = await makeGraphOf(sdl, { random: () => ((drawn++ * 37) % 100) / 100 });
  for (let count = 0; count < 100; count++) await ask(graph, '{ f20 f40 f60 f80 }');
  // None has moved, or the last, or the last two, and so on: five plans instead of sixteen.
  expect(planned).toBe(5);
  planned = 0;
  sent = 0;
  for (let count = 0; count < 100; count++) await ask(graph, '{ other f40 }');
  expect(planned).toBe(2);
  planned = 0;
  sent = 0;
  for (let count = 0; count < 100; count++) await ask(graph, '{ other }');
  expect(planned).toBe(1);
});

describe('given a supergraph that cannot be served', () => {
  const nextSdl = composeSubgraphs({ ...SUBGRAPHS, another: { schema: 'type Query { another: Int }' } });
  const makeGateway = (isUsable: (sdl: string) => boolean) => {
    let change = (_sdl: string): void => {};
    let loaded = 0;
    const { gateway } = createCompiledGateway({
      supergraph: {
        sdl: supergraphSdl,
        watch: (given) => {
          change = given;
          return () => {};
        },
      },
      clientsOf: (sdl) => {
        if (!isUsable(sdl)) throw new Error('There is no way to\nthis subgraph.');
        return () => ({ encoding: 'json', prepare: () => async () => ({ data: {} }) });
      },
      overrideLabels: [],
      maxPrograms: 10,
      maxProgramBytes: 10_000_000,
      estimateLimits: ESTIMATE_LIMITS,
      maxAnswerValues: 100_000,
      maxRunningValues: 100_000,
      turns: createTurnQueue(),
      requestTimeoutMs: 10_000,
      planningTimeoutMs: 10_000,
      introspection: true,
      callCosts: CALL_COSTS,
      retain: (context) => context,
      log: createLog('silent'),
    });
    gateway.onSchemaLoadOrUpdate(() => {
      loaded += 1;
    });
    return { gateway, change: (sdl: string) => change(sdl), loaded: () => loaded };
  };
  const APOLLO = { apollo: {} } as Parameters<ReturnType<typeof makeGateway>['gateway']['load']>[0];

  test('then the gateway does not load and gives the reason in one line', async () => {
    const { gateway, loaded } = makeGateway(() => false);
    const load = gateway.load(APOLLO);
    await expect(load).rejects.toThrow(SupergraphError);
    await expect(load).rejects.toThrow('There is no way to this subgraph');
    expect(loaded()).toBe(0);
  });

  test('then an update to it throws each time, and listeners are not notified', async () => {
    const { gateway, change, loaded } = makeGateway((sdl) => !sdl.includes('another'));
    await gateway.load(APOLLO);
    for (const _ of [1, 2]) await expect(change(nextSdl)).rejects.toThrow(SupergraphError);
    expect(loaded()).toBe(1);
    await change(supergraphSdl);
    expect(loaded()).toBe(2);
    await gateway.stop?.();
  });
});
