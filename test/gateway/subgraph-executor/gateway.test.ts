import { composeServices } from '@apollo/composition';
import { execute, parse, validate } from 'graphql';
import { afterAll, beforeAll, expect } from 'vitest';
import { createInProcessTransport, serveTransports, type TransportGateway } from '../../helpers/federation.ts';
import { NO_ANSWER_LIMITS } from '../../helpers/no-limits.ts';
import { createRandom } from '../../helpers/random-operation.ts';
import { testSeeds } from '../../helpers/seeds.ts';
import { generateOperation } from './generate.ts';
import { nullsOf } from './outcome.ts';
import { watchRejections } from './rejections.ts';
import { createWorldSchema, SCHEMA, type World } from './world.ts';

/*
 * The same as random.test.ts at the public edge: a gateway with the generated in-process subgraph, queried over HTTP.
 * `SEED=<n> npx vitest run test/gateway/subgraph-executor/gateway` repeats one, `SEEDS=<n>` sets their number.
 */

let world: World = { seed: 0, faults: 0, turns: undefined, calls: [] };
const schema = createWorldSchema(() => world);
let rejections: ReturnType<typeof watchRejections>;
let gateway: TransportGateway;

beforeAll(async () => {
  rejections = watchRejections();
  const { supergraphSdl = '' } = composeServices([{ name: 'world', url: 'http://world', typeDefs: parse(SCHEMA) }]);
  gateway = await serveTransports(
    supergraphSdl,
    { world: createInProcessTransport('world', schema) },
    NO_ANSWER_LIMITS,
  );
});
afterAll(async () => {
  await gateway.close();
  rejections.stop();
});

testSeeds('random operations are answered as graphql-js executes them', {
  first: 50,
  all: 100,
  run: async (seeds, isOne) => {
    let valid = 0;
    for (const seed of seeds) {
      const random = createRandom(seed);
      const { query, variables } = generateOperation(schema, random, { isInternal: false });
      const document = parse(query);
      if (validate(schema, document).length > 0) continue;
      valid += 1;
      world = { seed, faults: random.pick([0, 0.01, 0.03]), turns: undefined, calls: [] };
      const where = `SEED=${seed}\n${query}\n${JSON.stringify(variables)}`;
      const answer = await gateway.ask(query, variables);
      expect(await rejections.take(), where).toEqual([]);
      const expected = await execute({ schema, document, variableValues: variables });
      await rejections.take();
      expect(answer.data, where).toEqual(JSON.parse(JSON.stringify(expected.data)));
      expect(nullsOf(answer), where).toEqual(nullsOf(expected));
    }
    if (!isOne) expect(valid).toBeGreaterThan(seeds.length * 0.9);
  },
});
