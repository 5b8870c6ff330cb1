import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { XMLParser } from 'fast-xml-parser';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCompany, type Product } from '../../sandbox/company.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import {
  OPENMAGE_PATH,
  OPENMAGE_SANDBOX_KEY,
  OPENMAGE_SANDBOX_USER,
  startOpenMageSandbox,
} from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { createWsdl } from '../../subgraphs/inventory/openmage/sandbox/wsdl.ts';
import { ROOT, startProcess } from '../helpers/processes.ts';
import { hasTool } from '../helpers/tools.ts';

/** Products with ambiguous identifiers. */
const ODD: readonly Product[] = [
  { id: '5001', sku: '10%_OFF', name: 'Crème, brûlée', quantity: 1 },
  { id: '5002', sku: '10XXOFF', name: 'creme, brulee ', quantity: 2 },
  { id: '5003', sku: 'A\\B', name: 'red,green', quantity: 3 },
];

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startOpenMageSandbox({ products: ODD });
});
afterEach(() => sandbox.close());

/* The sandbox with independent SOAP clients, which rely on its WSDL. */

type Call = readonly [operation: string, args: object];
type Outcome = { readonly result: unknown } | { readonly fault: string; readonly message: string };

const LOGIN: Call = ['login', { username: OPENMAGE_SANDBOX_USER, apiKey: OPENMAGE_SANDBOX_KEY }];
const sessionId = '$session';
const array = (complexObjectArray: readonly unknown[]) => ({ complexObjectArray });
const stockOf = (...productIds: string[]): Call => [
  'catalogInventoryStockItemList',
  { sessionId, productIds: array(productIds) },
];
const listBy = (filters: object): Call => ['catalogProductList', { sessionId, filters }];

const simple = (...conditions: [field: string, value: string][]) => ({
  filter: array(conditions.map(([key, value]) => ({ key, value }))),
});
const complex = (...conditions: [field: string, operator: string, value: string][]) => ({
  complex_filter: array(conditions.map(([key, operator, value]) => ({ key, value: { key: operator, value } }))),
});

/** Filters, each with an independent predicate for the expected products. */
const FILTERS: readonly [name: string, filters: object, matches: (product: Product) => boolean][] = [
  ['none', {}, () => true],
  ['simple', simple(['sku', 'oabr-s']), ({ sku }) => sku === 'OABR-S'],
  ['simple, by id', simple(['product_id', '1002']), ({ id }) => id === '1002'],
  ['simple, twice', simple(['sku', 'OABR-S'], ['name', 'Oak bracket, M']), () => false],
  [
    'simple and complex',
    { ...simple(['product_id', '1002']), ...complex(['product_id', 'from', '1']) },
    ({ id }) => id === '1002',
  ],
  ['two fields', complex(['sku', 'like', 'OABR-%'], ['product_id', 'gt', '1003']), ({ id }) => /^100[45]$/.test(id)],
  ['two operators', complex(['sku', 'like', 'OABR-%'], ['sku', 'neq', 'OABR-S']), ({ sku }) => /^OABR-/.test(sku)],
  ['one operator twice', complex(['sku', 'like', 'OABR-%'], ['sku', 'like', 'LI%']), ({ sku }) => /^OABR-/.test(sku)],
  ['set and type', complex(['set', 'eq', '4'], ['type', 'eq', 'SIMPLE']), () => true],
  ['another set', complex(['set', 'gt', '4']), () => false],
  ['eq', complex(['name', 'eq', 'CREME, BRULEE']), ({ id }) => /^500[12]$/.test(id)],
  ['neq', complex(['sku', 'neq', 'oabr-s']), ({ sku }) => sku !== 'OABR-S'],
  ['like', complex(['name', 'like', '%BRACKET, _']), ({ name }) => /bracket, .$/.test(name)],
  ['like, whole', complex(['name', 'like', 'bracket']), () => false],
  ['like, wildcards', complex(['sku', 'like', '10%_off']), ({ id }) => /^500[12]$/.test(id)],
  ['like, escaped', complex(['sku', 'like', '10\\%\\_%']), ({ id }) => id === '5001'],
  ['like, a backslash', complex(['sku', 'like', 'a\\\\b']), ({ id }) => id === '5003'],
  ['like, a space at the end', complex(['name', 'like', 'creme, brulee']), ({ id }) => id === '5001'],
  ['like, a number', complex(['entity_id', 'like', '100_']), ({ id }) => /^100.$/.test(id)],
  ['nlike', complex(['sku', 'nlike', 'oa%']), ({ sku }) => !/^OA/.test(sku)],
  ['in', complex(['sku', 'in', 'OABR-S,oabr-m,NONE']), ({ id }) => /^100[23]$/.test(id)],
  ['in, a space in front', complex(['sku', 'in', 'OABR-S, OABR-M']), ({ id }) => id === '1002'],
  ['in, numbers', complex(['product_id', 'in', '01002, 1003.0']), ({ id }) => /^100[23]$/.test(id)],
  ['nin', complex(['product_id', 'nin', '1001,1002']), ({ id }) => !/^100[12]$/.test(id)],
  ['gt', complex(['product_id', 'gt', '1199']), ({ id }) => Number(id) > 1199],
  ['gt, fewer digits', complex(['product_id', 'gt', '999']), () => true],
  ['gteq', complex(['product_id', 'gteq', '1199']), ({ id }) => Number(id) >= 1199],
  ['lt', complex(['product_id', 'lt', '1003']), ({ id }) => Number(id) < 1003],
  ['lteq', complex(['product_id', 'lteq', '1003.0']), ({ id }) => Number(id) <= 1003],
  ['gt, a text', complex(['sku', 'gt', 'oabr-s']), ({ sku }) => sku > 'OABR-S'],
  ['from', complex(['product_id', 'from', '5001']), ({ id }) => /^500/.test(id)],
  [
    'from and to',
    complex(['product_id', 'from', '1010'], ['product_id', 'to', '1012']),
    ({ id }) => /^101[012]$/.test(id),
  ],
  ['from before others', complex(['product_id', 'eq', '1'], ['product_id', 'to', '1001']), ({ id }) => id === '1001'],
  ['finset', complex(['name', 'finset', 'GREEN']), ({ id }) => id === '5003'],
  ['null', complex(['name', 'null', '']), () => false],
  ['notnull', complex(['name', 'notnull', '']), () => true],
  ['seq', complex(['sku', 'seq', 'oabr-s']), ({ sku }) => sku === 'OABR-S'],
  ['seq, empty', complex(['sku', 'seq', '']), () => false],
  ['sneq', complex(['sku', 'sneq', 'oabr-s']), ({ sku }) => sku !== 'OABR-S'],
  ['sneq, empty', complex(['sku', 'sneq', '']), () => true],
  ['unknown', complex(['sku', 'moreq', 'OABR-S'], ['sku', 'between', 'OABR-M']), ({ id }) => /^100[23]$/.test(id)],
];

const update = (productId: string, data: object): Call => [
  'catalogInventoryStockItemUpdate',
  { sessionId, productId, data },
];
const updateAll = (productIds: readonly string[], data: readonly object[]): Call => [
  'catalogInventoryStockItemMultiUpdate',
  { sessionId, productIds: array(productIds), productData: array(data) },
];
const END: Call = ['endSession', { sessionId }];
const any = { $any: 'product_stock.list' };

const FAULTS: readonly [code: string, call: Call][] = [
  ['0', listBy(complex(['colour', 'eq', 'red']))],
  ['1', listBy(complex(['sku', 'is', 'null']))],
  ['1', listBy(complex(['name', 'finset', 'red,green']))],
  ['1', listBy(complex(['name', 'regexp', '(a+)+$']))],
  ['2', ['login', { username: OPENMAGE_SANDBOX_USER, apiKey: 'other' }]],
  ['6', ['login', { username: '', apiKey: '' }]],
  ['101', update('NO-SUCH', {})],
  ['102', update('OABR-S', { qty: 'many' })],
  ['103', updateAll(['OABR-S', 'OABR-M'], [{ qty: '1' }])],
  // Described in the WSDL, but broken in the real shop too.
  ['SOAP-ENV:Server', ['call', { sessionId, apiPath: 'product_stock.list', args: any }]],
  ['SOAP-ENV:Server', ['multiCall', { sessionId, calls: any, options: any }]],
];

const CLIENTS = [
  ['zeep', 'python3 with zeep', ['/usr/bin/python3', join(ROOT, 'test/helpers/soap_client.py')]],
  ['PHP’s client', 'php with ext-soap', ['php', join(ROOT, 'test/helpers/php/client.php')]],
] as const;

for (const [name, tool, command] of CLIENTS) {
  describe.skipIf(!hasTool(tool))(`with ${name},`, () => {
    const outcomesOf = async (...calls: readonly Call[]): Promise<readonly Outcome[]> => {
      const client = startProcess([...command, `${sandbox.url}${OPENMAGE_PATH}?wsdl`, JSON.stringify(calls)], {});
      expect(await client.ended, client.output()).toBe(0);
      return JSON.parse(client.output()) as Outcome[];
    };
    /** Logs in, runs the calls and returns their results. */
    const resultsOf = async (...calls: readonly Call[]) => {
      const [, ...outcomes] = await outcomesOf(LOGIN, ...calls);
      return outcomes.map((outcome) => ('result' in outcome ? outcome.result : outcome));
    };

    test('stock is listed and set, and sessions can be ended', async () => {
      const results = await resultsOf(
        stockOf('OABR-S', '1003', 'NO'),
        update('OABR-S', { qty: '5', is_in_stock: 1, backorders: 0 }),
        updateAll(
          ['1001', 'OABR-M'],
          [
            { qty: '7.5', is_in_stock: 1 },
            { qty: '0', backorders: 0 },
          ],
        ),
        stockOf('OABR-XS', 'OABR-S', 'OABR-M'),
        END,
        END,
      );
      const quantity = createCompany().products.find(({ sku }) => sku === 'OABR-S')?.quantity;
      expect(results).toEqual([
        [
          { product_id: '1002', sku: 'OABR-S', qty: quantity?.toFixed(4), is_in_stock: '1' },
          { product_id: '1003', sku: 'OABR-M', qty: expect.stringMatching(/^\d+\.0000$/), is_in_stock: '1' },
        ],
        1,
        true,
        [
          { product_id: '1001', sku: 'OABR-XS', qty: '7.5000', is_in_stock: '1' },
          { product_id: '1002', sku: 'OABR-S', qty: '5.0000', is_in_stock: '1' },
          { product_id: '1003', sku: 'OABR-M', qty: '0.0000', is_in_stock: '0' },
        ],
        true,
        true,
      ]);
    });

    test('the catalogue is filtered as in SQL', async () => {
      const results = await resultsOf(...FILTERS.map(([, filters]) => listBy(filters)));
      const products = [...createCompany().products, ...ODD];
      // One client returns null for an empty list, the other an empty list.
      const found = results.map((list) => ((list ?? []) as { sku: string }[]).map(({ sku }) => sku));
      expect(Object.fromEntries(FILTERS.map(([filter], index) => [filter, found[index]]))).toEqual(
        Object.fromEntries(
          FILTERS.map(([filter, , matches]) => [filter, products.filter(matches).map(({ sku }) => sku)]),
        ),
      );
    });

    test('a catalogue entry has all its fields', async () => {
      expect(await resultsOf(listBy(simple(['sku', 'OABR-S'])))).toEqual([
        [
          {
            product_id: '1002',
            sku: 'OABR-S',
            name: 'Oak bracket, S',
            set: '4',
            type: 'simple',
            category_ids: array(['3']),
            website_ids: array(['1']),
          },
        ],
      ]);
    });

    test('faults have the shop’s codes', async () => {
      const fault = (code: string) => ({ fault: code, message: expect.stringMatching(/\w/) });
      const results = await resultsOf(...FAULTS.map(([, call]) => call), END, stockOf('OABR-S'), listBy({}));
      expect(results).toEqual([...FAULTS.map(([code]) => fault(code)), true, fault('5'), fault('5')]);
    });

    test('given several updates, then those before an unknown product are made', async () => {
      const results = await resultsOf(
        updateAll(['OABR-S', 'NO-SUCH', 'OABR-M'], [{ qty: '71' }, { qty: '72' }, { qty: '73' }]),
        stockOf('OABR-S', 'OABR-M'),
      );
      expect(results).toEqual([
        { fault: '101', message: 'Product not exists.' },
        [expect.objectContaining({ qty: '71.0000' }), expect.not.objectContaining({ qty: '73.0000' })],
      ]);
    });
  });
}

/** Sends a message that strict clients would not send. */
const send = async (content: string) => {
  const body = `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>${content}</S:Body></S:Envelope>`;
  const response = await fetch(`${sandbox.url}${OPENMAGE_PATH}`, { method: 'POST', body });
  return [response.status, /<faultcode>(.*?)</.exec(await response.text())?.[1]];
};

test('a missing parameter is reported before an invalid session', async () => {
  const list = (content: string) =>
    `<n:catalogInventoryStockItemListRequestParam xmlns:n="urn:OpenMage">${content}</n:catalogInventoryStockItemListRequestParam>`;
  expect(await send(list('<sessionId>none</sessionId>'))).toEqual([500, '6']);
  expect(await send(list('<sessionId>none</sessionId><productIds/>'))).toEqual([500, '5']);
});

test('an invalid SOAP message gets a fault without a stack trace', async () => {
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

/** Reads the operations, messages and fields of a WSDL. */
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

test.skipIf(!reference)('the parts shared with a real shop’s WSDL (REFERENCE_WSDL) are equal', () => {
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
