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
import { createRandom, generateOperation } from './generate.ts';
import { createResolvers, type Faults, SCHEMAS } from './library.ts';
import { attach, type Stand, startStand } from './stand.ts';

/*
 * Random operations, once by the gateway and once by graphql-js over one schema with the same resolvers, where now and
 * then a field fails or is null. `SEED=<n> npx vitest run random` repeats one, `SEEDS=<n>` tries another number of them.
 */

const SEEDS = Number(process.env['SEEDS'] ?? 5_000);
const ONLY = process.env['SEED'];
const FIRST_SEEDS = ONLY ? [Number(ONLY)] : Array.from({ length: SEEDS }, (_, index) => index + 1);

/** How a seed's fields fail: in half of them nothing does. */
const createFaults = (seed: number): Faults => {
  if (seed % 2 === 0) return () => undefined;
  return (type, id, field) => {
    const luck =
      createRandom(seed).below(1e9) + [...`${type} ${id} ${field}`].reduce((sum, c) => sum * 31 + c.charCodeAt(0), 7);
    const share = createRandom(luck % 2_147_483_647).next();
    return share < 0.03 ? 'error' : share < 0.05 ? 'null' : undefined;
  };
};

let faults: Faults = () => undefined;
const current: Faults = (...place) => faults(...place);

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
  let stand: Stand;
  let reference: GraphQLSchema;
  let nullable: GraphQLSchema;
  beforeAll(async () => {
    stand = await startStand(SCHEMAS, createResolvers({ faults: current, isSubgraph: true }), { isLocal });
    const resolvers = createResolvers({ faults: current, isSubgraph: false });
    reference = attach(stand.createApiSchema(), resolvers);
    nullable = makeNullable(attach(stand.createApiSchema(), resolvers));
  });
  afterAll(() => stand.close());

  test(`then ${ONLY ? `seed ${ONLY}` : `${SEEDS} random operations`} are answered as in one schema`, async () => {
    let valid = 0;
    for (const seed of FIRST_SEEDS) {
      const { query, variables } = generateOperation(reference, createRandom(seed));
      const document = parse(query);
      if (validate(reference, document).length > 0) continue;
      valid += 1;
      faults = createFaults(seed);
      const where = `SEED=${seed}\n${query}\n${JSON.stringify(variables)}`;
      const answer = await stand.ask(query, variables);

      // A mutation is not sent twice for the sake of two fields that need one value with different arguments.
      if (answer.errors?.[0]?.extensions?.['code'] === 'OPERATION_UNRESOLVABLE' && query.startsWith('mutation'))
        continue;
      const expected = await execute({ schema: reference, document, variableValues: variables });
      expect(answer.data, where).toEqual(JSON.parse(JSON.stringify(expected.data)));

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
    if (!ONLY) expect(valid).toBeGreaterThan(SEEDS / 5);
  }, 600_000);
});

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
