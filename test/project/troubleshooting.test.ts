import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApolloServerErrorCode } from '@apollo/server/errors';
import { expect, test } from 'vitest';
import { REJECTION_REASONS, UPSTREAM_ERROR_CODES } from '../../connectors/errors.ts';
import { PUBLIC_ERROR_CODES } from '../../gateway/http/apollo.ts';
import { ROUTE_ERROR_CODES } from '../../runtime/http-errors.ts';
import { LIMIT_EXCEEDED } from '../../subgraphs/kit/limits/limit-error.ts';
import { STRIPE_REJECTION_REASONS } from '../../subgraphs/payments/stripe/error-reasons.ts';
import { ROOT } from '../helpers/processes.ts';

const guide = readFileSync(join(ROOT, 'docs/troubleshooting.md'), 'utf8');

/** The sections about a code, by their headings: "### `CODE`". */
const sections = [...guide.matchAll(/^#+ `([A-Z_]+)`\n([\s\S]*?)(?=^#|(?![\s\S]))/gm)].map(
  ([, code = '', text = '']) => ({
    code,
    text,
  }),
);

test('docs/troubleshooting.md has exactly one section per public code', () => {
  expect(sections.map(({ code }) => code).sort()).toEqual([...PUBLIC_ERROR_CODES].sort());
});

test.each(sections)('$code: the section has a cause, a check and a cure', ({ text }) => {
  expect([...text.matchAll(/^\*\*(\w+)\*\*: /gm)].map(([, part]) => part)).toEqual(['Cause', 'Check', 'Cure']);
});

test('docs/troubleshooting.md lists a cure for each rejection reason', () => {
  const { text = '' } = sections.find(({ code }) => code === 'UPSTREAM_REJECTED') ?? {};
  const firstColumns = [...text.matchAll(/^\| (`[^|]+) \|/gm)].map(([, column = '']) => column);
  const reasons = firstColumns.flatMap((column) => [...column.matchAll(/`([A-Z_]+)`/g)].map(([, reason]) => reason));
  expect(reasons.sort()).toEqual([...REJECTION_REASONS, ...STRIPE_REJECTION_REASONS].sort());
});

test('every error code in the sources is public', () => {
  const files = ['gateway', 'subgraphs', 'connectors', 'events', 'runtime'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(ROOT, folder, file)),
  );
  const given = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/\bcode: '([A-Z][A-Z_]+)'|, '([A-Z]+_[A-Z_]+)'\)/g)].map(
      ([, named, last]) => named ?? last ?? '',
    ),
  );
  expect(given.length).toBeGreaterThan(0);
  given.push(...Object.values(ApolloServerErrorCode), ...UPSTREAM_ERROR_CODES, ...ROUTE_ERROR_CODES, LIMIT_EXCEEDED);
  expect([...new Set(given)].filter((code) => !PUBLIC_ERROR_CODES.has(code))).toEqual([]);
});
