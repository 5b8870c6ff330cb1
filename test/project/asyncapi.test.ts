import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import specs from '@asyncapi/specs';
import { Ajv, type Options } from 'ajv';
import { expect, test } from 'vitest';
import { toCloudEvents } from '../../events/brokers/cloud-event.ts';
import { createAsyncApi } from '../../scripts/asyncapi/document.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { ROOT } from '../helpers/processes.ts';

/* docs/asyncapi.json describes the events as they are. */

const document = createAsyncApi(subgraphs);

/** Without formats, as each would need a package. */
const createAjv = (options: Options = {}) => new Ajv({ strict: false, validateFormats: false, ...options });

test('docs/asyncapi.json is up to date', () => {
  expect(JSON.parse(readFileSync(join(ROOT, 'docs/asyncapi.json'), 'utf8'))).toEqual(document);
});

test('the document is valid by the schema of AsyncAPI', () => {
  // It contains the schema of schemas that Ajv has as well.
  const validate = createAjv({ meta: false, validateSchema: false }).compile(specs.schemas['3.0.0'] as object);
  validate(document);
  expect(validate.errors).toBe(null);
  validate({ ...document, operations: { broken: { action: 'shout', channel: {} } } });
  expect(validate.errors).not.toBe(null);
});

test.each(subgraphs.flatMap(({ events }) => Object.entries(events)))(
  '%s is published as its schema says',
  (topic, event) => {
    const keys = Object.fromEntries(Object.keys(event.keys).map((key) => [key, `${key}_1`]));
    const effect = {
      provider: 'any',
      id: 'evt_1',
      type: 'any',
      object: null,
      version: null,
      receivedAt: 0,
      position: 1,
    };
    const messages = JSON.stringify([{ topic, ...keys, email: 'ada@customers.example' }]);
    const [published] = toCloudEvents(
      { ...effect, sequence: 7, order: 'newest', changes: '{}', messages },
      { storeId: '9f86d081884c7d65', events: { [topic]: event } },
    );
    const body = JSON.parse(published?.body ?? '') as { data: object };
    expect(body.data).toEqual(keys);
    const ajv = createAjv();
    ajv.addSchema({ $id: 'events', ...document });
    const name = topic.charAt(0).toUpperCase() + topic.slice(1);
    const validate = ajv.compile({ $ref: `events#/components/schemas/${name}` });
    validate(body);
    expect(validate.errors).toBe(null);
    validate({ ...body, data: {} });
    expect(validate.errors).not.toBe(null);
  },
);
