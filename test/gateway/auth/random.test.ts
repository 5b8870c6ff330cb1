import {
  execute,
  type FieldNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLSchema,
  isObjectType,
  parse,
  validate,
} from 'graphql';
import { afterAll, beforeAll, expect } from 'vitest';
import { startWithTransports } from '../../helpers/federation.ts';
import { NO_ANSWER_LIMITS } from '../../helpers/no-limits.ts';
import { createRandom } from '../../helpers/random-operation.ts';
import { testSeeds } from '../../helpers/seeds.ts';
import { addFields, composeApiSchema } from '../../helpers/subgraph-server.ts';
import { headersOf, TOKEN_ENV } from '../../helpers/tokens.ts';
import { findNull, makeNullable, pathsOf, startsWith } from '../execution/compare-errors.ts';
import { createFields, createSubgraphs } from '../execution/fixture-graph.ts';
import { generateOperation } from '../execution/generate.ts';
import {
  judge,
  mayRead,
  type RandomRules,
  type RandomSender,
  randomRules,
  randomSender,
  selectedIn,
  withRules,
} from './random-rules.ts';

/*
 * Executes random operations with random access rules for random senders, by the gateway and by graphql-js over one schema in
 * which every unauthorized field fails. `SEED=<n> npx vitest run test/gateway/auth/random` repeats one, `SEEDS=<n>` sets their
 * number.
 */

/** Operations with the same rules: a gateway takes longer to load a supergraph than to execute them. */
const SEEDS_PER_RULES = 25;

/** Keys and fields that others require. The gateway fetches them for itself. */
const INTERNAL = new Set(['id', 'nick', 'pages', 'weight', 'made', 'stars']);

const CODE = 'UNAUTHORIZED_FIELD_OR_TYPE';

let sender: RandomSender;
let removed: ReadonlySet<FieldNode> = new Set();
let stand: Awaited<ReturnType<typeof startWithTransports>>;
let reference: GraphQLSchema;
let nullable: GraphQLSchema;

/** Lets removed fields fail instead of being resolved. */
const guard = (schema: GraphQLSchema): GraphQLSchema => {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields()) as GraphQLField<Record<string, unknown>, unknown>[]) {
      const { resolve = (source) => source[field.name] } = field;
      field.resolve = (source, args, context, info) => {
        if (info.fieldNodes.every((node) => removed.has(node))) {
          throw new GraphQLError('Unauthorized', { extensions: { code: CODE } });
        }
        return resolve(source, args, context, info);
      };
    }
  }
  return schema;
};

beforeAll(async () => {
  const subgraphs = createSubgraphs(() => undefined);
  stand = await startWithTransports(subgraphs, { isLocal: false, env: { ...NO_ANSWER_LIMITS, ...TOKEN_ENV } });
  const fields = createFields({ faults: () => undefined, isSubgraph: false });
  const createReference = () => addFields(composeApiSchema(subgraphs), fields);
  reference = guard(createReference());
  nullable = guard(makeNullable(createReference()));
});
afterAll(() => stand.close());

testSeeds('random operations with random rules are answered as in one schema', {
  first: 25,
  all: 200,
  run: async (seeds, isOne) => {
    let group: number | undefined;
    let rules: RandomRules = new Map();
    let withRemoved = 0;
    const servers = Object.values(stand.servers);
    for (const seed of seeds) {
      if (group !== Math.floor(seed / SEEDS_PER_RULES)) {
        group = Math.floor(seed / SEEDS_PER_RULES);
        rules = randomRules(reference, createRandom(1_000 + group));
        await stand.changeSupergraph(withRules(stand.supergraphSdl, rules));
      }
      const random = createRandom(seed);
      const { query, variables } = generateOperation(reference, random);
      const parsed = parse(query);
      if (validate(reference, parsed).length > 0) continue;
      sender = randomSender(random);
      const may = (typename: string, field: string) => mayRead(reference, rules, sender, typename, field);
      const judged = judge(reference, parsed, variables, may);
      removed = judged.removed;
      if (removed.size > 0) withRemoved += 1;
      const where = `SEED=${seed} for ${JSON.stringify(sender ?? 'anonymous')}\n${query}\n${JSON.stringify(variables)}`;
      for (const { requests } of servers) requests.length = 0;
      const answer = await stand.ask(query, variables, { headers: sender ? headersOf({ scopes: sender }) : {} });
      if (answer.errors?.[0]?.extensions?.['code'] === 'OPERATION_UNRESOLVABLE' && query.startsWith('mutation'))
        continue;

      const { document } = judged;
      const run = (schema: GraphQLSchema) => execute({ schema, document, variableValues: variables });
      const expected = judged.isEntirelyRemoved ? { data: null } : await run(reference);
      expect(answer.data, `${where}\n${answer.text}`).toEqual(JSON.parse(JSON.stringify(expected.data)));

      const isUnauthorized = ({ extensions }: { extensions?: Record<string, unknown> }) =>
        extensions?.['code'] === CODE;
      const told = (answer.errors ?? []).map(({ path = [] }) => path);
      expect((answer.errors ?? []).every(isUnauthorized), `${where}\n${answer.text}`).toBe(true);
      if (judged.isEntirelyRemoved) expect(told.length, where).toBeGreaterThan(0);
      else {
        const allowed = new Set(pathsOf((await run(nullable)).errors));
        expect(
          told.filter((path) => !allowed.has(JSON.stringify(path))),
          `no such error: ${where}`,
        ).toEqual([]);
        for (const { path = [] } of expected.errors ?? []) {
          const nullAt = findNull(expected.data, path);
          expect(
            told.some((other) => startsWith(other, nullAt)),
            `no error at ${nullAt.join('.')}: ${where}`,
          ).toBe(true);
        }
      }
      // Nothing is fetched that may not be read.
      const requests = servers.flatMap((server) => server.requests);
      const fetched = requests.flatMap((request) => selectedIn(reference, request.query));
      const leaked = fetched.filter((coordinate) => {
        const [typename = '', field = ''] = coordinate.split('.');
        // A subgraph with `@interfaceObject` receives fields of one of the types as fields of the interface.
        const typenames = typename === 'Item' ? ['Toy', 'Tool'] : [typename];
        return !INTERNAL.has(field) && !typenames.some((one) => may(one, field));
      });
      expect(leaked, where).toEqual([]);
      if (judged.isEntirelyRemoved) expect(requests, where).toEqual([]);
    }
    if (!isOne) expect(withRemoved / seeds.length).toBeGreaterThanOrEqual(0.3);
  },
});
