// @module-tag long

import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { copyProject, type ProjectCopy } from '../helpers/copy.ts';
import { ROOT } from '../helpers/processes.ts';
import { hasTool } from '../helpers/tools.ts';

/* `npm run new:subgraph` in a copy of the project: one of each kind, all at once. */

const guide = readFileSync(join(ROOT, 'docs/add-a-subgraph.md'), 'utf8');

describe.skipIf(!hasTool('git'))('npm run new:subgraph', () => {
  let project: ProjectCopy;
  beforeAll(() => {
    project = copyProject({ built: true });
  });
  afterAll(() => project.remove());

  const run = async (...command: string[]) => {
    const { ended, output } = project.start(['node', ...command], { NO_COLOR: '1' });
    return { code: await ended, output: output() };
  };
  const bin = (name: string, ...args: string[]) => run(join(ROOT, 'node_modules/.bin', name), ...args);
  const make = (...args: string[]) => run('scripts/new-subgraph/main.ts', ...args);
  // One process for all tests, because each process has to load the product.
  const runTests = (...args: string[]) => bin('vitest', 'run', '--maxWorkers=1', ...args);
  const expectGreen = async (...tests: string[]) => {
    // The second time, only what has changed.
    const buildInfo = join(project.root, 'checked.tsbuildinfo');
    expect(await bin('tsc', '--incremental', '--tsBuildInfoFile', buildInfo)).toEqual({ code: 0, output: '' });
    expect(await bin('biome', 'check', '--error-on-warnings')).toMatchObject({ code: 0 });
    const { code, output } = await runTests(...tests);
    expect([code, code === 0 ? '' : output]).toEqual([0, '']);
  };

  test.each([
    [['loyalty']],
    [['--rest']],
    [['loyalty', '--rest', '--soap']],
    [['loyalty', '--carrier-pigeon']],
    [['two', 'names', '--rest']],
    [['Loyalty', '--rest']],
    [['../loyalty', '--rest']],
    [['class', '--rest']],
    [['crm', '--rest']],
    [['customer', '--rest']],
    [['invoice', '--rest']],
    [['loyalty', '--rest', '--provider', 'stripe']],
    [['loyalty', '--rest', '--provider', 'a b']],
  ])('given the arguments %j, then usage is printed, and nothing is written', async (args) => {
    const { code, output } = await make(...args);
    expect(code).toBe(2);
    expect(output).toContain('Usage: npm run new:subgraph');
    expect(output).not.toMatch(/ at .*\.ts:/);
    expect(project.read('supergraph.yaml')).toBe(readFileSync(join(ROOT, 'supergraph.yaml'), 'utf8'));
  });

  test('given a missing generated part, then it is named', async () => {
    const list = project.read('supergraph.yaml');
    project.change('supergraph.yaml', '# generated: subgraphs', '# subgraphs');
    const { code, output } = await run('scripts/generate.ts');
    expect(code).toBe(1);
    expect(output).toContain('supergraph.yaml has no part "generated: subgraphs"');
    project.write('supergraph.yaml', list);
  });

  test('given a definition that has changed, then `generate --check` names what is out of date', async () => {
    const file = 'subgraphs/inventory/openmage/definition.ts';
    const definition = project.read(file);
    project.change(file, "'The API user.'", "'The name of the API user.'");
    const { code, output } = await run('scripts/generate.ts', '--check');
    expect(code).toBe(1);
    expect(output).toBe('docs/configuration.md is out of date. Run `npm run generate`.\n');
    project.write(file, definition);
    expect(await run('scripts/generate.ts', '--check')).toEqual({ code: 0, output: '' });
  });

  test('given a file that would be overwritten, then it is named, and nothing is written', async () => {
    project.write('test/contracts/loyalty.ts', '// mine');
    const { code, output } = await make('loyalty', '--rest');
    expect(code).toBe(2);
    expect(output).toContain('test/contracts/loyalty.ts already exists');
    expect(project.read('supergraph.yaml')).toBe(readFileSync(join(ROOT, 'supergraph.yaml'), 'utf8'));
    rmSync(join(project.root, 'test/contracts/loyalty.ts'));
  });

  test('given a new subgraph of each kind, then all checks pass', async () => {
    const [, first = ''] = /```sh\nnpm run new:subgraph -- (.*)\n/.exec(guide) ?? [];
    for (const args of [first, 'tickets --soap', 'reviews --graphql --provider stars']) {
      expect(await make(...args.split(' '))).toMatchObject({ code: 0 });
    }
    const { services } = parse(project.read('docker-compose.yml'), { merge: true });
    expect(services.gateway.environment).toMatchObject({ LOYALTY_URL: 'http://loyalty:4004/loyalty' });
    for (const name of ['loyalty', 'tickets', 'reviews']) {
      expect(services.gateway.depends_on).toHaveProperty(name);
      const [, sandbox = ''] = /=http:\/\/([\w-]+):/.exec(services[name].environment.SANDBOX_URLS) ?? [];
      expect(services[name].command).toEqual(['node', 'subgraphs/main.ts']);
      expect(services[sandbox].command).toEqual(['node', 'sandbox/main.ts']);
      expect(project.read('deploy/prometheus/prometheus.yml')).toContain(`- ${name}\n`);
    }
    expect(project.read('deploy/kubernetes/base/kustomization.yaml')).toContain('\n  - loyalty\n');
    expect(await run('scripts/generate.ts', '--check')).toEqual({ code: 0, output: '' });
    expect(await run('scripts/supergraph.ts', '--check')).toEqual({ code: 0, output: '' });
    expect(await bin('graphql-codegen', '--config', 'codegen.ts', '--check')).toMatchObject({ code: 0 });
    await expectGreen('test/project/docs', 'test/project/architecture', 'test/subgraphs/{loyalty,tickets,reviews}');
  });

  test('given a new subgraph of each kind, then the tests of the Kubernetes manifests pass', async () => {
    const { code, output } = await runTests('test/deploy/kubernetes');
    expect([code, code === 0 ? '' : output]).toEqual([0, '']);
  });

  test('given a new subgraph of each kind, then the shared provider suites pass', async () => {
    // Only tests that depend on the generated code; the others test shared code, and take long.
    const names = '(bonus|tickets|stars).* (responds with|batching|credentials|deadline|writes) ';
    const { code, output } = await runTests('test/e2e/failures', 'test/connectors/conformance', '-t', names);
    expect([code, code === 0 ? '' : output]).toEqual([0, '']);
    expect(Number(/(\d+) passed/.exec(output.split('Tests')[1] ?? '')?.[1])).toBeGreaterThan(100);
  });

  test('given the guide’s changes, then all checks pass', async () => {
    const changes = [...guide.matchAll(/```diff\n--- (\S+)\n([\s\S]*?)```/g)];
    expect(changes.length).toBeGreaterThan(4);
    for (const [, file = '', text = ''] of changes) {
      const lines = text.split('\n').slice(0, -1);
      const side = (sign: string) =>
        lines.flatMap((line) => (line.startsWith(' ') || line.startsWith(sign) ? [line.slice(1)] : [])).join('\n');
      project.change(file, side('-'), side('+'));
    }
    expect(await run('scripts/supergraph.ts')).toMatchObject({ code: 0 });
    expect(await bin('graphql-codegen', '--config', 'codegen.ts')).toMatchObject({ code: 0 });
    await expectGreen('test/subgraphs/loyalty');
  });
});
