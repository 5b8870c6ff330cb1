import { type DocumentNode, Kind, parse, print, type SelectionNode, validate, visit } from 'graphql';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { deferWith } from '../../../gateway/execution/defer-directives.ts';
import type { TransportGateway } from '../../helpers/federation.ts';
import { askIncremental, type IncrementalFormat, type Merged } from '../../helpers/incremental.ts';
import { NO_ANSWER_LIMITS } from '../../helpers/no-limits.ts';
import { createRandom, type Random } from '../../helpers/random-operation.ts';
import { testSeeds } from '../../helpers/seeds.ts';
import { addFields, composeApiSchema } from '../../helpers/subgraph-server.ts';
import { findNull, type Path, startsWith } from './compare-errors.ts';
import { FAULTS, type FaultOf, startFailing } from './failing.ts';
import { createFieldFaults } from './faults.ts';
import { createFields, createSubgraphs, type Faults } from './fixture-graph.ts';
import { SCHEMAS } from './fixture-schemas.ts';
import { generateOperation } from './generate.ts';

/*
 * Executes random operations with `@defer` at random places, once with all parts in one response, and once with a response in parts,
 * which are merged and compared. In half of the operations fields fail or are null, in a quarter a subgraph fails. Responses of
 * subgraphs arrive in random order.
 * `SEED=<n> npx vitest run random-defer` repeats one, `SEEDS=<n>` sets their number.
 */

/** Defers fragments of a document, and wraps fields in deferred fragments. */
const addDefers = (document: DocumentNode, random: Random): DocumentNode => {
  let labels = 0;
  const defer = () => {
    const directive = deferWith(`part ${labels++}`);
    return random.chance(0.5) ? directive : { ...directive, arguments: [] };
  };
  const deferred = <Node extends SelectionNode>(node: Node): Node | undefined =>
    random.chance(0.4) ? { ...node, directives: [...(node.directives ?? []), defer()] } : undefined;
  return visit(document, {
    InlineFragment: deferred,
    FragmentSpread: deferred,
    SelectionSet: {
      leave: ({ selections, ...set }) => {
        if (!random.chance(0.3)) return undefined;
        const from = random.below(selections.length);
        const to = from + 1 + random.below(selections.length - from);
        const inner = { kind: Kind.SELECTION_SET, selections: selections.slice(from, to) } as const;
        const fragment = { kind: Kind.INLINE_FRAGMENT, directives: [defer()], selectionSet: inner } as const;
        return { ...set, selections: [...selections.slice(0, from), fragment, ...selections.slice(to)] };
      },
    },
  });
};

/** Decides which subgraph fails for a seed, and how: none for three quarters of the seeds. */
const createSubgraphFault = (seed: number): FaultOf => {
  const down = Object.keys(SCHEMAS)[Math.floor(seed / 4) % Object.keys(SCHEMAS).length];
  const fault = FAULTS[Math.floor(seed / 16) % FAULTS.length];
  return (subgraph) => (seed % 4 === 0 && subgraph === down ? fault : undefined);
};

let faults: Faults = () => undefined;
let subgraphFault: FaultOf = () => undefined;
let order = createRandom(0);

describe.each([
  ['in this process', true],
  ['over HTTP', false],
])('given subgraphs %s', (_, isLocal) => {
  let gateway: TransportGateway;
  const definitions = createSubgraphs((...place) => faults(...place));
  const reference = addFields(
    composeApiSchema(definitions),
    createFields({ faults: () => undefined, isSubgraph: false }),
  );
  beforeAll(async () => {
    gateway = await startFailing(definitions, {
      isLocal,
      env: NO_ANSWER_LIMITS,
      pick: ({ length }) => order.below(length),
      faultOf: (...fetch) => subgraphFault(...fetch),
    });
  });
  afterAll(() => gateway.close());

  testSeeds('the merged parts of random operations equal the response in one part', {
    first: 20,
    all: 200,
    run: async (seeds, isOne) => {
      let parts = 0;
      for (const seed of seeds) {
        const random = createRandom(seed);
        const { query: plain, variables } = generateOperation(reference, random);
        if (!plain.startsWith('query') || validate(reference, parse(plain)).length > 0) continue;
        const query = print(addDefers(parse(plain), random));
        faults = createFieldFaults(seed);
        subgraphFault = createSubgraphFault(seed);
        order = createRandom(seed);
        const format: IncrementalFormat = seed % 4 < 2 ? 'deferSpec' : 'incrementalSpec';
        const where = `SEED=${seed} ${format}\n${query}\n${JSON.stringify(variables)}`;
        const whole = await gateway.ask(query, variables);
        const merged = await askIncremental(`${gateway.url}/graphql`, { query, variables }, format).catch((error) => {
          throw new Error(where, { cause: error });
        });
        parts += merged.messages.length;
        const problems = compare(whole, merged, seed % 4 === 0);
        expect(problems, `${where}\n${whole.text}\n${JSON.stringify(merged)}`).toEqual([]);
      }
      if (!isOne) expect(parts).toBeGreaterThan(seeds.length);
    },
  });
});

/** Returns how merged parts differ from the whole response: by more than nulls that propagated only to the part, and explained ones. */
const compare = (
  whole: { readonly data?: unknown; readonly errors?: Merged['errors'] | undefined },
  merged: Merged,
  isFaulty: boolean,
): string[] => {
  const problems: string[] = [];
  const { errors, failed } = merged;
  const hasFailed = (isAt: (at: Path) => boolean): boolean => failed.some(isAt);
  const visitValues = (one: unknown, other: unknown, path: Path): void => {
    const place = path.join('.');
    if (one === null && other !== null) {
      // Without parts, the null has propagated further, or a fetch failed for more objects.
      const isExplained = (whole.errors ?? []).some(({ path: at = [] }) => startsWith(at, path));
      if (!(isFaulty && isExplained) && !hasFailed((at) => startsWith(at, path))) problems.push(`${place} is not null`);
    } else if (other === null && one !== null) {
      if (!errors.some(({ path: at = [] }) => startsWith(at, path))) problems.push(`${place} is null without an error`);
    } else if (isObject(one) && isObject(other)) {
      for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
        const step = Array.isArray(one) ? Number(key) : key;
        if (!Object.hasOwn(one, key)) problems.push(`${place} has ${key} also`);
        else if (Object.hasOwn(other, key)) visitValues(one[key], other[key], [...path, step]);
        else if (!hasFailed((at) => startsWith(path, at))) problems.push(`${place} has no ${key}`);
      }
    } else if (one !== other) problems.push(`${place} is ${other} instead of ${one}`);
  };
  visitValues(whole.data, merged.data, []);
  for (const { path = [] } of isFaulty ? [] : (whole.errors ?? [])) {
    const nullAt = findNull(whole.data, path);
    if (!errors.some(({ path: at = [] }) => startsWith(at, nullAt))) problems.push(`no error at ${nullAt.join('.')}`);
  }
  if (!whole.errors && errors.length > 0) problems.push(`has errors: ${JSON.stringify(errors)}`);
  return problems;
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
