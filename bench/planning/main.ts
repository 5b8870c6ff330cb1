import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { writeCrossing, writeSmall, writeSupergraph } from './graph.ts';

/*
 * `npm run bench:planning`: plans operations over generated graphs by a gateway in production mode, without fetching anything.
 * Reports medians of the rounds: the time from the start of the process until it listens and until it has planned a small
 * operation, the time to plan an operation over many subgraphs the first and the second time, and how long the event loop of the
 * main thread was blocked meanwhile, in processor time. `--baseline <folder>` measures another checkout in turn.
 */

const { values } = parseArgs({
  options: {
    subgraphs: { type: 'string', default: '10,50,100,200' },
    rounds: { type: 'string', default: '3' },
    baseline: { type: 'string' },
  },
});

const ROOT = resolve(import.meta.dirname, '../..');
const CHECKOUTS = [ROOT, ...(values.baseline ? [resolve(values.baseline)] : [])];

const folder = mkdtempSync(join(tmpdir(), 'bench-planning-'));
process.once('exit', () => rmSync(folder, { recursive: true }));

const median = (list: readonly number[]): number =>
  [...list].sort((one, other) => one - other)[Math.floor(list.length / 2)] ?? Number.NaN;

const messageOf = async <Message>(child: ChildProcess): Promise<Message> => {
  const [message] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error('The gateway has ended.');
    }),
  ]);
  return message;
};

/** Explains an operation, which plans and compiles it. Returns the time in milliseconds. */
const explain = async (url: string, query: string): Promise<number> => {
  const startedAt = performance.now();
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-tributary-explain': '1' },
    body: JSON.stringify({ query }),
  });
  const { errors, extensions } = (await response.json()) as { errors?: unknown; extensions?: object };
  if (errors || !extensions) throw new Error(`The operation cannot be planned: ${JSON.stringify(errors)}`);
  return performance.now() - startedAt;
};

const measure = async (checkout: string, supergraph: string, count: number) => {
  const startedAt = performance.now();
  const child = fork(join(import.meta.dirname, 'gateway.ts'), [checkout, supergraph]);
  try {
    const url = await messageOf<string>(child);
    const listening = performance.now() - startedAt;
    await explain(url, writeSmall());
    const firstAnswer = performance.now() - startedAt;
    const blocked = async (work: () => Promise<number>): Promise<[ms: number, longestMs: number]> => {
      child.send('reset');
      await messageOf(child);
      const ms = await work();
      child.send('read');
      return [ms, await messageOf<number>(child)];
    };
    const [first, firstBlocked] = await blocked(() => explain(url, writeCrossing(count)));
    const [second, secondBlocked] = await blocked(() => explain(url, writeCrossing(count, 1)));
    // Of less than 250 selections.
    const [medium, mediumBlocked] = await blocked(() => explain(url, writeCrossing(count, 2, 16)));
    const [small, smallBlocked] = await blocked(() => explain(url, writeSmall(1)));
    return {
      listening,
      firstAnswer,
      first,
      firstBlocked,
      second,
      secondBlocked,
      medium,
      mediumBlocked,
      small,
      smallBlocked,
    };
  } finally {
    child.removeAllListeners();
    child.kill('SIGKILL');
  }
};

for (const count of values.subgraphs.split(',').map(Number)) {
  const supergraph = join(folder, `${count}.graphql`);
  writeFileSync(supergraph, writeSupergraph(count));
  const rounds = new Map<string, Awaited<ReturnType<typeof measure>>[]>();
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const checkout of CHECKOUTS) {
      rounds.set(checkout, [...(rounds.get(checkout) ?? []), await measure(checkout, supergraph, count)]);
    }
  }
  for (const [checkout, measured] of rounds) {
    const of = (name: keyof (typeof measured)[number]) => Math.round(median(measured.map((one) => one[name])));
    console.log(
      `${count} subgraphs, ${checkout === ROOT ? 'this checkout' : 'the baseline'}:`,
      `listens after ${of('listening')} ms, has planned a small operation after ${of('firstAnswer')} ms.`,
      `A crossing operation takes ${of('first')} ms (event loop blocked for ${of('firstBlocked')} ms), another`,
      `${of('second')} ms (${of('secondBlocked')} ms), one of 16 subgraphs ${of('medium')} ms (${of('mediumBlocked')} ms), a small one ${of('small')} ms (${of('smallBlocked')} ms).`,
    );
  }
}
process.exit();
