import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyProject, type ProjectCopy } from '../helpers/copy.ts';
import { hasTool } from '../helpers/tools.ts';

/* Names on which reads and writes have to agree: the compiler refuses each of them where it is misspelled. */

const FILES = [
  'subgraphs/crm/hubspot/reads.ts',
  'subgraphs/crm/mutations.ts',
  'subgraphs/inventory/openmage/reads.ts',
  'subgraphs/inventory/openmage/set-stock.ts',
  'subgraphs/payments/stripe/reads.ts',
  'subgraphs/payments/mutations.ts',
];

// Where the names are used; what is misspelled has an x at that place.
const USES: Readonly<Record<string, RegExp>> = {
  tags: /\btags\.(?!ts')\w+/g,
  operations: /\b(operation: ['`]|endpoints\.(?!ts')\w+|gone\('|unusableOf\('|OPERATION: \w+ = ')/g,
  cachePolicies: /\blifetime: '/g,
};

const TEXTS = `import type { Provider } from '../connectors/provider.ts';
import type { HubSpotOperation } from './crm/hubspot/endpoints.ts';
export const byText = ({ invalidate }: Provider) => invalidate(['dealLists']);
export const byKey = ({ invalidate }: Provider) => invalidate([\`deals \${1}\`]);
export const operation: HubSpotOperation = 'GET /crm/objects/2026-09/deals';
`;

describe.skipIf(!hasTool('git'))('the compiler', () => {
  let project: ProjectCopy;
  // As `file:line`.
  const refused = new Set<string>();
  const misspelled = new Map(Object.keys(USES).map((names) => [names, [] as string[]]));

  beforeAll(async () => {
    project = copyProject();
    for (const file of FILES) {
      const lines = project.read(file).split('\n');
      for (const [names, use] of Object.entries(USES)) {
        // Beside the file, for its imports.
        const copy = file.replace('.ts', `-${names}.ts`);
        const changed = lines.map((line) => line.replace(use, '$&x'));
        project.write(copy, changed.join('\n'));
        const changes = changed.flatMap((line, index) => (line === lines[index] ? [] : [`${copy}:${index + 1}`]));
        misspelled.get(names)?.push(...changes);
      }
    }
    project.write('subgraphs/texts.ts', TEXTS);
    project.write('subgraphs/tsconfig.json', '{ "extends": "../tsconfig.json", "include": ["**/*.ts"] }');
    const { ended, output } = project.start([
      'node',
      'node_modules/typescript/bin/tsc',
      ...['-p', 'subgraphs', '--pretty', 'false'],
    ]);
    await ended;
    for (const [, file, line] of output().matchAll(/^(\S+?)\((\d+),\d+\): error/gm)) refused.add(`${file}:${line}`);
  });
  afterAll(() => project.remove());

  test.each(Object.keys(USES))('refuses misspelled %s, wherever they are used', (names) => {
    const lines = misspelled.get(names) ?? [];
    expect(lines.length).toBeGreaterThan(8);
    expect(lines.filter((line) => !refused.has(line))).toEqual([]);
  });

  test('refuses a text in the place of a tag or of one of HubSpot’s operations', () => {
    const texts = [...refused].filter((line) => line.startsWith('subgraphs/texts.ts'));
    expect(texts).toEqual(['subgraphs/texts.ts:3', 'subgraphs/texts.ts:4', 'subgraphs/texts.ts:5']);
  });

  test('refuses nothing else', () => {
    const expected = new Set([...misspelled.values()].flat());
    const others = [...refused].filter((line) => !expected.has(line) && !line.startsWith('subgraphs/texts.ts'));
    expect(others).toEqual([]);
  });
});
