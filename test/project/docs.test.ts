import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  buildSchema,
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import { readResult, renderDocs } from '../../bench/gateway/docs.ts';
import { REJECTION_REASONS } from '../../connectors/errors.ts';
import { pollSettingsOf } from '../../connectors/poll-settings.ts';
import { secretsOf, variablesOf } from '../../connectors/settings.ts';
import { webhookSettingsOf } from '../../connectors/webhook-settings.ts';
import { AUTH_SECRETS } from '../../gateway/auth/auth-config.ts';
import { createSubgraphUrlsEnv, GATEWAY_SECRETS, GatewayEnv } from '../../gateway/config.ts';
import { PUBLIC_ERROR_CODES } from '../../gateway/http/apollo.ts';
import { createSandboxProcessEnv } from '../../sandbox/config.ts';
import { SubgraphProcessEnv } from '../../subgraphs/config.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { INFRASTRUCTURE_SECRETS, InfrastructureEnv } from '../../subgraphs/kit/infrastructure.ts';
import { STRIPE_REJECTION_REASONS } from '../../subgraphs/payments/stripe/error-reasons.ts';
import { ROOT } from '../helpers/processes.ts';

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** The names in the first column of a document's tables: `| `NAME` | …`. */
const namesInTables = (text: string): string[] =>
  [...text.matchAll(/^\| `([A-Z][A-Z_]+)`/gm)].map(([, name = '']) => name);

test('docs/errors.md lists exactly the public codes and reasons', () => {
  expect(new Set(namesInTables(read('docs/errors.md')))).toEqual(
    new Set([...PUBLIC_ERROR_CODES, ...REJECTION_REASONS, ...STRIPE_REJECTION_REASONS]),
  );
});

test('docs/performance.md and its pictures show the result in docs/performance.json', () => {
  for (const [file, text] of Object.entries(renderDocs(ROOT, readResult(ROOT)))) {
    expect(read(file) === text, `${file} is out of date. Run \`npm run bench:report\`.`).toBe(true);
  }
});

test('package.json decides for every package with an install script whether it may run', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { hasInstallScript?: true }>;
  };
  const { allowScripts } = JSON.parse(read('package.json')) as { allowScripts: Record<string, boolean> };
  const running = Object.entries(packages).flatMap(([path, { hasInstallScript }]) =>
    hasInstallScript ? [path.replace(/^.*node_modules\//, '')] : [],
  );
  expect(running.filter((name) => !(name in allowScripts))).toEqual([]);
  // Its script moves the platform's binary into place.
  expect(Object.keys(allowScripts).filter((name) => allowScripts[name])).toEqual(['node']);
});

describe('configuration', () => {
  const urls = createSubgraphUrlsEnv(subgraphs.map(({ name }) => name));
  const schemas = [
    GatewayEnv,
    InfrastructureEnv,
    urls,
    SubgraphProcessEnv,
    createSandboxProcessEnv([]),
    ...subgraphs.map(({ provider }) => variablesOf(provider)),
    ...subgraphs.map(({ provider }) => ({ shape: { ...webhookSettingsOf(provider), ...pollSettingsOf(provider) } })),
  ];
  const variables = new Set(schemas.flatMap(({ shape }) => Object.keys(shape)));

  test('docs/configuration.md lists exactly the variables that exist', () => {
    expect(new Set(namesInTables(read('docs/configuration.md')))).toEqual(variables);
  });

  test('docs/configuration.md names every variable that can be read from a file', () => {
    for (const name of [
      ...AUTH_SECRETS,
      ...GATEWAY_SECRETS,
      ...INFRASTRUCTURE_SECRETS,
      ...subgraphs.flatMap(({ provider }) => [...secretsOf(provider), ...Object.keys(webhookSettingsOf(provider))]),
    ]) {
      expect(read('docs/configuration.md')).toContain(`\`${name}_FILE\``);
    }
  });

  test('.env.example lists exactly the variables that exist', () => {
    const named = [...read('.env.example').matchAll(/^#? ?([A-Z][A-Z_]+)=/gm)].map(([, name = '']) => name);
    expect(new Set(named)).toEqual(variables);
  });

  test('docker-compose.yml sets only variables that exist', () => {
    const set = [...read('docker-compose.yml').matchAll(/^ +([A-Z][A-Z0-9_]*):/gm)].map(([, name = '']) => name);
    expect(set.filter((name) => !variables.has(name))).toEqual([]);
  });
});

test('every type, field, argument and value of the graph has a description', () => {
  const schema = buildSchema(read('gateway/schema.graphql'));
  const bare: string[] = [];
  const note = (name: string, { description }: { description?: string | null | undefined }) => {
    if (!description) bare.push(name);
  };
  for (const type of Object.values(schema.getTypeMap())) {
    if (isIntrospectionType(type) || isSpecifiedScalarType(type)) continue;
    if (!['Query', 'Mutation', 'Subscription'].includes(type.name)) note(type.name, type);
    if (isEnumType(type)) for (const value of type.getValues()) note(`${type.name}.${value.name}`, value);
    if (isInputObjectType(type) || isObjectType(type)) {
      for (const field of Object.values(type.getFields())) {
        // The input type's description is enough for `input`.
        note(`${type.name}.${field.name}`, field);
        for (const arg of 'args' in field ? field.args : []) {
          if (!['input', 'filter'].includes(arg.name)) note(`${type.name}.${field.name}(${arg.name})`, arg);
        }
      }
    }
  }
  expect(bare).toEqual([]);
});

const markdown = readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.md') && !file.includes('node_modules'),
);

test.each(markdown)('%s: the files that it links to exist', (file) => {
  const links = [...read(file).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path = '']) => path);
  expect(links.filter((path) => !existsSync(join(ROOT, dirname(file), path)))).toEqual([]);
});

/** The anchors of a document's headings, as GitHub generates them. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

test.each(markdown)('%s: the sections that it links to exist', (file) => {
  const links = [...read(file).matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)];
  const broken = links.filter(([, path = '', anchor = '']) => {
    const target = path ? join(dirname(file), path) : file;
    return !anchorsOf(read(target)).includes(anchor);
  });
  expect(broken.map(([link]) => link)).toEqual([]);
});

test('the tests that the documents name exist', () => {
  const named = markdown.flatMap((file) =>
    [...read(file).matchAll(/`(test\/[\w/.-]+\.ts)`/g)].map(([, path = '']) => path),
  );
  // The guide of a new subgraph has an example, `bonus`.
  const missing = named.filter((path) => !existsSync(join(ROOT, path)) && !path.includes('bonus'));
  expect(missing).toEqual([]);
});

test('the scripts that the documents name exist', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const named = markdown.flatMap((file) => [...read(file).matchAll(/npm run ([a-z:]+)/g)].map(([, name = '']) => name));
  expect([...new Set(named)].filter((name) => !(name in scripts))).toEqual([]);
});

describe('names in capitals', () => {
  /** All text files of some kinds in a folder of the project, without packages and build output. */
  const filesIn = (folder: string, kinds: RegExp): string[] =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => kinds.test(file) && !/(^|\/)(dist|node_modules)\//.test(file))
      .map((file) => join(folder, file));
  const namesOf = (text: string): string[] => text.match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g) ?? [];
  const known = new Set([
    ...[
      'bench',
      'clients',
      'connectors',
      'events',
      'gateway',
      'runtime',
      'sandbox',
      'scripts',
      'subgraphs',
      'telemetry',
      'test',
    ]
      .flatMap((folder) => filesIn(folder, /\.(ts|tsx|graphql|json)$/))
      // Below, names are mentioned that do not exist.
      .filter((file) => file !== 'test/project/docs.test.ts')
      .concat('docker-compose.yml', 'Dockerfile', 'package.json')
      .flatMap((file) => namesOf(read(file))),
    // Of OpenTelemetry, Node.js, OpenSSL and jose.
    'OTEL_EXPORTER_OTLP_METRICS_HEADERS',
    ...['NODE_EXTRA_CA_CERTS', 'ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ...['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ]);
  const isKnown = (name: string): boolean => known.has(name) || known.has(name.replace(/_FILE$/, ''));

  test.each(markdown)('of %s exist: none is a placeholder that was left', (file) => {
    expect(known.size).toBeGreaterThan(300);
    expect([...new Set(namesOf(read(file)))].filter((name) => !isKnown(name))).toEqual([]);
  });

  test('a placeholder is found', () => {
    expect(namesOf('See SECTION_TO_WRITE, and `PORT`.').filter((name) => !isKnown(name))).toEqual(['SECTION_TO_WRITE']);
  });
});
