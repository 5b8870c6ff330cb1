import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { XMLParser } from 'fast-xml-parser';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import {
  OPENMAGE_PATH,
  OPENMAGE_SANDBOX_KEY,
  OPENMAGE_SANDBOX_USER,
  startOpenMageSandbox,
} from '../../sandbox/openmage/index.ts';
import { createWsdl } from '../../sandbox/openmage/wsdl.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import { ROOT, startProcess } from '../kit/processes.ts';
import { hasTool } from '../kit/tools.ts';

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startOpenMageSandbox();
});
afterEach(() => sandbox.close());

test.skipIf(!hasTool('python3 with zeep'))('a SOAP client of others reads its WSDL and its answers', async () => {
  const script = join(ROOT, 'test/kit/zeep_client.py');
  const client = startProcess(
    ['/usr/bin/python3', script, `${sandbox.url}${OPENMAGE_PATH}?wsdl`, OPENMAGE_SANDBOX_USER, OPENMAGE_SANDBOX_KEY],
    {},
  );
  expect(await client.ended, client.output()).toBe(0);
  const small = createCompany().products.find(({ sku }) => sku === 'OABR-S');
  expect(JSON.parse(client.output())).toEqual({
    items: [
      ['1002', 'OABR-S', small?.quantity.toFixed(4), '1'],
      ['1003', 'OABR-M', expect.stringMatching(/^\d+\.0000$/), '1'],
    ],
    updated: 1,
    after: ['5.0000'],
    names: [
      ['OABR-S', 'Oak bracket, S'],
      ['OABR-L', 'Oak bracket, L'],
    ],
    ended: true,
    faults: ['2', '5', '101'],
  });
});

test('what is no SOAP message gets a fault and no stack trace', async () => {
  for (const body of ['', 'hello', '<a><b></a>', '<Envelope><Body><dropTables/></Body></Envelope>']) {
    const response = await fetch(`${sandbox.url}${OPENMAGE_PATH}`, { method: 'POST', body });
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).toContain('<faultcode>SOAP-ENV:Client</faultcode>');
    expect(text).not.toMatch(/at .*\.ts/);
  }
});

type Fields = Record<string, [name: string, type: string][]>;
type Contract = { operations: string[]; messages: Record<string, string>; elements: Fields; types: Fields };

/** What matters of a WSDL: its operations, their messages and the fields of everything. */
const readContract = (xml: string): Contract => {
  type Node = Record<string, string> & {
    element: Node[];
    sequence: Node;
    complexType: Node[];
    part: Node;
    operation: Node[];
  };
  const parser = new XMLParser({
    removeNSPrefix: true,
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    isArray: (name) => ['element', 'operation', 'complexType', 'message'].includes(name),
  });
  const { definitions } = parser.parse(xml) as {
    definitions: { portType: Node; types: { schema: Node }; message: Node[] };
  };
  const plain = (name = '') => name.replace(/^\w+:/, '');
  const fields = (type: Node | undefined) =>
    (type?.sequence?.element ?? []).map((one): [string, string] => [one['@name'] ?? '', plain(one['@type'])]);
  const { schema } = definitions.types;
  return {
    operations: definitions.portType.operation.map((one) => one['@name'] ?? ''),
    messages: Object.fromEntries(definitions.message.map((one) => [one['@name'], plain(one.part['@element'])])),
    elements: Object.fromEntries(schema.element.map((one) => [one['@name'], fields(one.complexType?.[0])])),
    types: Object.fromEntries(schema.complexType.map((one) => [one['@name'], fields(one)])),
  };
};

const reference = process.env['REFERENCE_WSDL'];

test.skipIf(!reference)('beside the WSDL of a real shop (REFERENCE_WSDL): what both have is the same', () => {
  const own = readContract(createWsdl('http://127.0.0.1/'));
  const real = readContract(readFileSync(reference ?? '', 'utf8'));
  const shared = <T>(a: Record<string, T>, b: Record<string, T>) =>
    Object.fromEntries(Object.entries(a).filter(([name]) => name in b));

  expect(own.operations).toEqual(expect.arrayContaining(['login', 'catalogInventoryStockItemList']));
  for (const part of ['messages', 'elements', 'types'] as const) {
    const mine = shared<unknown>(own[part], real[part]);
    expect(Object.keys(mine).length).toBeGreaterThan(5);
    expect(mine).toEqual(shared<unknown>(real[part], own[part]));
  }
});
