import { execute, type GraphQLFormattedError, type GraphQLSchema, parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import type { TransportGateway } from '../../helpers/federation.ts';
import { NO_ANSWER_LIMITS } from '../../helpers/no-limits.ts';
import { createRandom } from '../../helpers/random-operation.ts';
import { testSeeds } from '../../helpers/seeds.ts';
import { addFields, composeApiSchema } from '../../helpers/subgraph-server.ts';
import { findNull, makeNullable, type Path, pathsOf, startsWith } from './compare-errors.ts';
import { FAULTS, type FaultOf, startFailing } from './failing.ts';
import { createFieldFaults, luckOf } from './faults.ts';
import { createFields, createSubgraphs, type Faults } from './fixture-graph.ts';
import { SCHEMAS } from './fixture-schemas.ts';
import { generateOperation } from './generate.ts';

/*
 * Executes random operations by the gateway and by graphql-js over one schema with the same resolvers, and compares the results.
 * In some operations fields fail or are null, in some whole fetches or subgraphs fail, and responses arrive in random order.
 * Everything depends on the seed alone: `SEED=<n> npx vitest run random` repeats one, `SEEDS=<n>` sets their number.
 */

const SUBGRAPHS = Object.keys(SCHEMAS);

/** Decides which fetches fail for a seed: none for half of the seeds, all of one subgraph for a quarter, some of any for the rest. */
const createFetchFaults = (seed: number): FaultOf => {
  const isOfWhole = seed % 8 < 2;
  const down = SUBGRAPHS[seed % SUBGRAPHS.length];
  if (seed % 8 >= 4) return () => undefined;
  return (subgraph, query, variables) => {
    const text = `${subgraph} ${query} ${JSON.stringify(variables)}`;
    if (isOfWhole ? subgraph !== down : luckOf(seed, text) > 0.3) return undefined;
    return FAULTS[Math.floor(luckOf(seed + 1, isOfWhole ? '' : text) * FAULTS.length)];
  };
};

let faults: Faults = () => undefined;
const current: Faults = (...place) => faults(...place);
let fetchFaults: FaultOf = () => undefined;
let order = createRandom(0);
/** Subgraphs with failed fetches in the current operation. */
const failed = new Set<string>();

describe.each([
  ['in this process', true],
  ['over HTTP', false],
])('given subgraphs %s', (_, isLocal) => {
  let gateway: TransportGateway;
  let reference: GraphQLSchema;
  let nullable: GraphQLSchema;
  beforeAll(async () => {
    const definitions = createSubgraphs(current);
    gateway = await startFailing(definitions, {
      isLocal,
      env: NO_ANSWER_LIMITS,
      pick: ({ length }) => order.below(length),
      faultOf: (subgraph, query, variables) => {
        const fault = fetchFaults(subgraph, query, variables);
        if (fault) failed.add(subgraph);
        return fault;
      },
    });
    const fields = createFields({ faults: current, isSubgraph: false });
    reference = addFields(composeApiSchema(definitions), fields);
    nullable = makeNullable(addFields(composeApiSchema(definitions), fields));
  });
  afterAll(() => gateway.close());

  testSeeds('random operations are answered as in one schema', {
    first: 20,
    all: 200,
    run: async (seeds, isOne) => {
      let valid = 0;
      for (const seed of seeds) {
        const { query, variables } = generateOperation(reference, createRandom(seed));
        const document = parse(query);
        if (validate(reference, document).length > 0) continue;
        valid += 1;
        faults = createFieldFaults(seed);
        fetchFaults = createFetchFaults(seed);
        order = createRandom(seed);
        failed.clear();
        const where = `SEED=${seed}\n${query}\n${JSON.stringify(variables)}`;
        const answer = await gateway.ask(query, variables);

        // A mutation is not split for two fields that need one value with different arguments.
        if (answer.errors?.[0]?.extensions?.['code'] === 'OPERATION_UNRESOLVABLE' && query.startsWith('mutation'))
          continue;
        const expected = await execute({ schema: reference, document, variableValues: variables });
        if (failed.size > 0) {
          const isCause = (service: unknown) => seed % 2 === 1 || failed.has(String(service));
          const problems = findUnexplained(answer, JSON.parse(JSON.stringify(expected)), isCause);
          expect(problems, `${[...failed]} failed: ${where}\n${answer.text}`).toEqual([]);
          continue;
        }
        expect(answer.data, `${where}\n${answer.text}`).toEqual(JSON.parse(JSON.stringify(expected.data)));

        const possible = await execute({ schema: nullable, document, variableValues: variables });
        const allowed = new Set([...pathsOf(possible.errors), ...pathsOf(expected.errors)]);
        // A null that propagated from a field that the client did not select is reported itself, and fields that required a
        // value lost with it fail as well.
        const nulls = (expected.errors ?? []).map(({ path }) => findNull(expected.data, path ?? []));
        const isAllowed = (path: Path) =>
          allowed.has(JSON.stringify(path)) || nulls.some((at) => startsWith(path, at) || startsWith(at, path));
        const told = (answer.errors ?? []).map(({ path }) => path ?? []);
        expect(
          told.filter((path) => !isAllowed(path)),
          `no such error: ${where}`,
        ).toEqual([]);
        // Each null with a reason has an error: at its path, or below it if the null propagated.
        for (const nullAt of nulls) {
          const isTold = (answer.errors ?? []).some(({ path: other = [] }) => startsWith(other, nullAt));
          expect(isTold, `no error at ${nullAt.join('.')}: ${where}\n${told}`).toBe(true);
        }
        if (!expected.errors) expect(answer.errors, where).toBeUndefined();
      }
      if (!isOne) expect(valid / seeds.length).toBeGreaterThanOrEqual(0.9);
    },
  });
});

type Answered = { readonly data?: unknown; readonly errors?: readonly GraphQLFormattedError[] | undefined };

/**
 * Returns the defects of a response with failed fetches: values that differ from the reference, nulls that no error of a failed
 * fetch explains, and errors that explain no null.
 */
const findUnexplained = (
  { data, errors = [] }: Answered,
  expected: Answered,
  isCause: (service: unknown) => boolean,
): string[] => {
  const problems: string[] = [];
  const compare = (actual: unknown, reference: unknown, path: Path): void => {
    const place = path.join('.');
    if (actual === null && reference !== null) {
      const explaining = errors.filter(({ path: at = [] }) => startsWith(at, path));
      if (!explaining.some(({ extensions }) => isCause(extensions?.['serviceName']))) {
        problems.push(`${place} is null without an error of what failed`);
      }
    } else if (isObject(actual) && isObject(reference)) {
      const [own, wanted] = [Object.keys(actual).sort(), Object.keys(reference).sort()];
      if (String(own) !== String(wanted)) problems.push(`${place} has the fields ${own} instead of ${wanted}`);
      for (const key of wanted)
        compare(actual[key], reference[key], [...path, Array.isArray(reference) ? Number(key) : key]);
    } else if (actual !== reference) problems.push(`${place} is ${actual} instead of ${reference}`);
  };
  compare(data, expected.data, []);
  for (const { path } of errors) {
    // An error without a path may explain a null that another error explains too.
    const isExplaining = !path || findNull(data, path).length < path.length || valueAt(data, path) === null;
    if (!isExplaining) problems.push(`${path.join('.')} has an error and no null`);
  }
  return problems;
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const valueAt = (data: unknown, path: Path): unknown =>
  path.reduce((value, step) => (value as Record<string | number, unknown>)[step], data);
