import { expect, test } from 'vitest';
import { startProcess } from '../helpers/processes.ts';

/** Runs a script with a logger in another process. Returns its lines. */
const linesOf = async (script: string): Promise<Readonly<Record<string, unknown>>[]> => {
  const source = `
    import { UpstreamError } from './connectors/errors.ts';
    import { createLog, withTraceId } from './runtime/log.ts';
    const log = createLog('info');
    ${script}
  `;
  const { ended, output } = startProcess(['node', '--input-type=module-typescript', '--eval', source], {});
  expect(await ended, output()).toBe(0);
  return output()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
};

test('an error is logged with its causes, and without bodies, headers and text that could not be parsed', async () => {
  const lines = await linesOf(`
    let unreadable;
    try { JSON.parse('canary is not JSON'); } catch (error) { unreadable = error; }
    const details = { operation: 'GET /x', status: 500, body: 'canary-body', headers: { authorization: 'canary' }, cause: unreadable };
    const upstream = new UpstreamError('UPSTREAM_BAD_RESPONSE', 'crm', 'GET /x responded with no JSON', details);
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED', canary: 'canary' });
    log.error({ err: new Error('It failed.', { cause: upstream }) }, 'First.');
    log.error({ err: Object.assign(new TypeError('Again.', { cause: refused }), { request: { headers: 'canary' } }) }, 'Second.');
    log.error({ err: upstream }, 'Third.');
  `);
  expect(JSON.stringify(lines)).not.toMatch(/canary/);
  const upstream = { type: 'UpstreamError', code: 'UPSTREAM_BAD_RESPONSE', message: expect.stringMatching(/no JSON/) };
  expect(lines).toMatchObject([
    {
      err: {
        type: 'Error',
        message: 'It failed.',
        stack: expect.stringMatching(/^\s+at /),
        causes: [upstream, { type: 'SyntaxError' }],
      },
    },
    { err: { type: 'TypeError', message: 'Again.', causes: [{ code: 'ECONNREFUSED' }] } },
    { err: { ...upstream, causes: [{ type: 'SyntaxError' }] } },
  ]);
});

test('of an error that causes itself, a bounded number of causes is logged', async () => {
  const [line] = await linesOf(`
    const error = new Error('It failed.');
    error.cause = error;
    log.error({ err: error }, 'It failed.');
  `);
  expect(line).toMatchObject({ err: { causes: Array.from({ length: 10 }, () => ({ message: 'It failed.' })) } });
});

test('entries name their trace, if there is one', async () => {
  const lines = await linesOf(`
    withTraceId(log, 'abc').info('With.');
    withTraceId(log, undefined).info('Without.');
  `);
  expect(lines.map(({ trace }) => trace)).toEqual(['abc', undefined]);
});
