import {
  execute,
  type GraphQLError,
  type GraphQLField,
  type GraphQLFormattedError,
  GraphQLList,
  type GraphQLOutputType,
  type GraphQLSchema,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  parse,
  validate,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NO_ANSWER_LIMITS } from '../../helpers/no-limits.ts';
import { FAULTS, type FaultOf } from './failing.ts';
import { attach, type FederationHarness, startFederationHarness } from './federation-harness.ts';
import { createResolvers, type Faults, SCHEMAS } from './fixture-graph.ts';
import { createRandom, generateOperation } from './generate.ts';

/*
 * Random operations, once by the gateway and once by graphql-js over one schema with the same resolvers. In some of them
 * fields fail or are null, in some whole fetches or subgraphs fail, and answers arrive in a random order. All of that is
 * the same for the same seed: `SEED=<n> npx vitest run random` repeats one, `SEEDS=<n>` tries another number of them.
 */

const SEEDS = Number(process.env['SEEDS'] ?? 300);
const ONLY = process.env['SEED'];
const FIRST_SEEDS = ONLY ? [Number(ONLY)] : Array.from({ length: SEEDS }, (_, index) => index + 1);

/** A number from 0 to 1 that is the same for the same seed and text. */
const luckOf = (seed: number, text: string): number => {
  const luck = createRandom(seed).below(1e9) + [...text].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 1e12, 7);
  return createRandom(luck % 2_147_483_647).next();
};

/** How a seed's fields fail: in half of them nothing does. */
const createFaults = (seed: number): Faults => {
  if (seed % 2 === 0) return () => undefined;
  return (type, id, field) => {
    const share = luckOf(seed, `${type} ${id} ${field}`);
    return share < 0.03 ? 'error' : share < 0.05 ? 'null' : undefined;
  };
};

const SUBGRAPHS = Object.keys(SCHEMAS);

/** How a seed's fetches fail: in half of them none does, in a quarter all of one subgraph, in a quarter some of any. */
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
/** The subgraphs of the current operation's fetches that failed. */
const failed = new Set<string>();

type Path = readonly (string | number)[];
const pathsOf = (errors: readonly GraphQLFormattedError[] | readonly GraphQLError[] | undefined): string[] =>
  (errors ?? []).map(({ path }) => JSON.stringify(path ?? null));

/** The same schema where everything may be null, so that every error has its place. */
const makeNullable = (schema: GraphQLSchema): GraphQLSchema => {
  const strip = (type: GraphQLOutputType): GraphQLOutputType => {
    if (isNonNullType(type)) return strip(type.ofType as GraphQLOutputType);
    return isListType(type) ? new GraphQLList(strip(type.ofType as GraphQLOutputType)) : type;
  };
  for (const type of Object.values(schema.getTypeMap())) {
    if ((!isObjectType(type) && !isInterfaceType(type)) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      const { resolve, type: declared } = field as GraphQLField<unknown, unknown>;
      field.type = strip(declared);
      if (isInterfaceType(type) || !resolve || !isNonNullType(declared)) continue;
      field.resolve = async (...given) => {
        const value = await resolve(...given);
        if (value === null) throw new Error('null');
        return value;
      };
    }
  }
  return schema;
};

describe.each([
  ['in this process', true],
  ['over HTTP', false],
])('given subgraphs %s', (_, isLocal) => {
  let stand: FederationHarness;
  let reference: GraphQLSchema;
  let nullable: GraphQLSchema;
  beforeAll(async () => {
    stand = await startFederationHarness(SCHEMAS, createResolvers({ faults: current, isSubgraph: true }), {
      isLocal,
      env: NO_ANSWER_LIMITS,
      pick: ({ length }) => order.below(length),
      faultOf: (subgraph, query, variables) => {
        const fault = fetchFaults(subgraph, query, variables);
        if (fault) failed.add(subgraph);
        return fault;
      },
    });
    const resolvers = createResolvers({ faults: current, isSubgraph: false });
    reference = attach(stand.createApiSchema(), resolvers);
    nullable = makeNullable(attach(stand.createApiSchema(), resolvers));
  });
  afterAll(() => stand.close());

  test(
    `then ${ONLY ? `seed ${ONLY}` : `${SEEDS} random operations`} are answered as in one schema`,
    async () => {
      let valid = 0;
      for (const seed of FIRST_SEEDS) {
        const { query, variables } = generateOperation(reference, createRandom(seed));
        const document = parse(query);
        if (validate(reference, document).length > 0) continue;
        valid += 1;
        faults = createFaults(seed);
        fetchFaults = createFetchFaults(seed);
        order = createRandom(seed);
        failed.clear();
        const where = `SEED=${seed}\n${query}\n${JSON.stringify(variables)}`;
        const answer = await stand.ask(query, variables);

        // A mutation is not sent twice for the sake of two fields that need one value with different arguments.
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
        // Where a null came up to is told of itself if it came from a field that nobody asked for, and what needed a value
        // that was lost with it fails as well.
        const nulls = (expected.errors ?? []).map(({ path }) => findNull(expected.data, path ?? []));
        const isAllowed = (path: Path) =>
          allowed.has(JSON.stringify(path)) || nulls.some((at) => startsWith(path, at) || startsWith(at, path));
        const told = (answer.errors ?? []).map(({ path }) => path ?? []);
        expect(
          told.filter((path) => !isAllowed(path)),
          `no such error: ${where}`,
        ).toEqual([]);
        // Each null that has a reason is told of: by an error there, or by one further down that brought it up.
        for (const nullAt of nulls) {
          const isTold = (answer.errors ?? []).some(({ path: other = [] }) => startsWith(other, nullAt));
          expect(isTold, `no error at ${nullAt.join('.')}: ${where}\n${told}`).toBe(true);
        }
        if (!expected.errors) expect(answer.errors, where).toBeUndefined();
      }
      if (!ONLY) expect(valid / SEEDS).toBeGreaterThanOrEqual(0.9);
    },
    Math.max(600_000, SEEDS * 500),
  );
});

type Answered = { readonly data?: unknown; readonly errors?: readonly GraphQLFormattedError[] | undefined };

/**
 * What is wrong with an answer to which some fetches are missing: values other than those of the reference, nulls in the
 * place of values that no error of a failed fetch explains, and errors that explain no null.
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
    // One without a path may explain a null that another explains too.
    const isExplaining = !path || findNull(data, path).length < path.length || valueAt(data, path) === null;
    if (!isExplaining) problems.push(`${path.join('.')} has an error and no null`);
  }
  return problems;
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const valueAt = (data: unknown, path: Path): unknown =>
  path.reduce((value, step) => (value as Record<string | number, unknown>)[step], data);

const startsWith = (path: Path, start: Path): boolean => start.every((step, index) => path[index] === step);

/** Where on the way to an error the answer is null. */
const findNull = (data: unknown, path: Path): Path => {
  let value = data;
  for (const [index, step] of path.entries()) {
    if (value === null || value === undefined) return path.slice(0, index);
    value = (value as Record<string | number, unknown>)[step];
  }
  return path;
};
