import { type ExecutionResult, execute, type GraphQLError, parse, validate } from 'graphql';
import { afterAll, beforeAll, expect } from 'vitest';
import { compileOperation } from '../../../gateway/transports/subgraph-executor/executor.ts';
import { createRandom, type Operation } from '../../helpers/random-operation.ts';
import { testSeeds } from '../../helpers/seeds.ts';
import { generateOperation } from './generate.ts';
import { nullsOf } from './outcome.ts';
import { watchRejections } from './rejections.ts';
import { createSettleOrder } from './settle-order.ts';
import { createWorldSchema, type World } from './world.ts';

/*
 * Executes random operations on a subgraph with every kind of resolver, by the executor and by graphql-js.
 * `SEED=<n> npx vitest run test/gateway/subgraph-executor/random` repeats one, `SEEDS=<n>` sets their number.
 */

let world: World = { seed: 0, faults: 0, turns: undefined, calls: [] };
const schema = createWorldSchema(() => world);

type Outcome = ExecutionResult & { readonly calls: readonly string[]; readonly unhandled: readonly unknown[] };

// graphql-js leaves promises of list items unhandled if a later item fails synchronously. The executor must handle them.
let rejections: ReturnType<typeof watchRejections>;
beforeAll(() => {
  rejections = watchRejections();
});
afterAll(() => rejections.stop());

const describeErrors = (errors: readonly GraphQLError[] | undefined): string[] =>
  (errors ?? []).map(({ path, message, extensions }) => JSON.stringify([path, message, extensions])).sort();

const run = async (
  options: Pick<World, 'seed' | 'faults'> & { readonly isInTurns: boolean },
  begin: () => ExecutionResult | PromiseLike<ExecutionResult>,
): Promise<Outcome> => {
  const turns = createSettleOrder();
  const calls: string[] = [];
  world = { ...options, turns: options.isInTurns ? turns : undefined, calls };
  await rejections.take();
  const { data, errors } = await turns.until(begin());
  const before = JSON.stringify([data, describeErrors(errors)]);
  // Abandoned work continues, and must not change the response.
  await turns.finish();
  expect(JSON.stringify([data, describeErrors(errors)])).toBe(before);
  return { ...(data !== undefined && { data }), ...(errors && { errors }), calls, unhandled: await rejections.take() };
};

testSeeds('random operations are executed as by graphql-js', {
  first: 50,
  all: 400,
  run: async (seeds, isOne) => {
    let valid = 0;
    let withErrors = 0;
    for (const seed of seeds) {
      const random = createRandom(seed);
      const { query, variables } = generateOperation(schema, random, { isInternal: true });
      const document = parse(query, { noLocation: true });
      const invalid = validate(schema, document);
      if (isOne) console.log(query, variables, invalid);
      if (invalid.length > 0) continue;
      valid += 1;
      const compiled = compileOperation(schema, document);
      const options = { seed, faults: random.pick([0, 0.01, 0.03, 0.1]), isInTurns: random.chance(0.8) };
      for (const variableValues of [variables, vary(variables), variables]) {
        const expected = await run(options, () =>
          execute({ schema, document, variableValues, hideSuggestions: true, options: { maxCoercionErrors: 10 } }),
        );
        const actual = await run(options, () => compiled(variableValues, undefined));
        const where = `SEED=${seed}\n${query}\n${JSON.stringify(variableValues)}`;
        expect(JSON.stringify(actual.data), where).toBe(JSON.stringify(expected.data));
        expect(actual.unhandled, where).toEqual([]);
        if (expected.errors) withErrors += 1;
        if (options.isInTurns) {
          expect(describeErrors(actual.errors), where).toEqual(describeErrors(expected.errors));
          expect(actual.calls, where).toEqual(expected.calls);
        } else {
          expect(nullsOf(actual), where).toEqual(nullsOf(expected));
          expect([...actual.calls].sort(), where).toEqual([...expected.calls].sort());
        }
      }
    }
    if (isOne) return;
    expect(valid).toBeGreaterThan(seeds.length * 0.9);
    expect(withErrors).toBeGreaterThan(seeds.length / 3);
  },
});

/** Generates different variables for the same operation. */
const vary = ({ representations, ...variables }: Operation['variables']): Operation['variables'] => {
  const other = (value: unknown): unknown => {
    if (typeof value === 'number') return value + 1;
    if (typeof value === 'boolean') return !value;
    if (typeof value === 'string') return value === 'RED' ? 'GREEN' : value === 'x' ? 'y' : value;
    if (Array.isArray(value)) return value.map(other);
    return value && Object.fromEntries(Object.entries(value).map(([name, one]) => [name, other(one)]));
  };
  return { ...Object.fromEntries(Object.entries(variables).map(([name, one]) => [name, other(one)])), representations };
};
