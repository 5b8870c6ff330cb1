import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { OPENMAGE_PATH } from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { createWsdl } from '../../subgraphs/inventory/openmage/sandbox/wsdl.ts';
import { advanceClock, resetClock } from '../helpers/clock.ts';
import { startHttpServer } from '../helpers/http-server.ts';
import { type InventoryStack, PATHS, startInventory } from '../helpers/inventory-paths.ts';
import { startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { codesOf, createAsk, type Stack, startStack } from '../helpers/stack.ts';

const ASK = '{ product(sku: "OABR-S") { sku stock { quantity } } }';
const LIST = 'catalogInventoryStockItemList';

const envelope = (body: string, attributes = '') =>
  `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" ${attributes}><S:Body>${body}</S:Body></S:Envelope>`;
const answer = (content: string, attributes = '') =>
  envelope(
    `<n:${LIST}ResponseParam xmlns:n="urn:OpenMage"><result>${content}</result></n:${LIST}ResponseParam>`,
    attributes,
  );
const XSI = 'http://www.w3.org/2001/XMLSchema-instance';

/** So large that quadratic work takes minutes, and linear work almost no time. */
const MANY = 80_000;
const many = (make: (index: number) => string, count = MANY) =>
  Array.from({ length: count }, (_, index) => make(index)).join('');

describe.each(PATHS)('an oversized or malformed response, %s', (path) => {
  let stack: InventoryStack;
  beforeAll(async () => {
    advanceClock(0);
    stack = await startInventory(path);
  });
  afterAll(async () => {
    await stack.close();
    resetClock();
  });
  beforeEach(async () => {
    stack.openmage.reset();
    advanceClock(86_400_000);
    await stack.ask('{ product(sku: "OABR-M") { sku } }');
  });

  test.each([
    ['many unclosed fault codes', `Envelope ${many(() => '<faultcode')}`],
    ['many prefixed fault codes', `Envelope ${many(() => '<a:faultcode x ')}`],
    ['one long fault code of spaces', `Envelope <faultcode>${' '.repeat(10 * MANY)}`],
    ['many fault codes of spaces', `Envelope ${many(() => '<faultcode>   ')}`],
    ['the word without a tag', `Envelope ${many(() => 'faultcode ')}`],
  ])('given a fault with %s, then the error is UPSTREAM_UNAVAILABLE', async (_, body) => {
    stack.openmage.fail({ on: LIST, status: 500, body });
    const { data, errors } = await stack.ask(ASK);
    expect(data).toEqual({ product: null });
    expect(codesOf(errors)).toEqual([['UPSTREAM_UNAVAILABLE', undefined]]);
  });

  test.each([
    ['XML declarations within text', answer(`<![CDATA[${many(() => '<?xml ')}]]>`)],
    [
      'prefixes and elements',
      answer(
        many(() => '<a b="c"/>', 40_000),
        many((index) => `xmlns:x${index}="${XSI}" `, 4_000),
      ),
    ],
    [
      'references to one element',
      answer(`<a id="1">${many((index) => `<a${index}/>`, 20_000)}</a>${many(() => '<a href="#1"/>', 20_000)}`),
    ],
    ['elements', answer(many(() => '<complexObjectArray/>'))],
    ['attributes', answer(`<a ${many((index) => `a${index}="" `, 200_000)}/>`)],
    ['levels', answer(many(() => '<a>'))],
    ['unclosed tags', answer(many(() => '<a b="'))],
    ['unclosed comments', answer(many(() => '<!-- '))],
    ['entities', `<!DOCTYPE a [<!ENTITY a "b"><!ENTITY b "&a;&a;">]>${answer('&b;')}`],
    ['the id __proto__', answer('<complexObjectArray id="__proto__"><sku>x</sku></complexObjectArray>')],
    [
      'the id __proto__ with a character reference',
      answer('<complexObjectArray id="&#95;_proto__"><sku>x</sku></complexObjectArray>'),
    ],
  ])('given %s, then the error is UPSTREAM_BAD_RESPONSE', async (_, body) => {
    stack.openmage.fail({ on: LIST, body });
    const { data, errors } = await stack.ask(ASK);
    expect(data).toEqual({ product: null });
    expect(codesOf(errors)).toEqual([['UPSTREAM_BAD_RESPONSE', undefined]]);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test('given the allowed maximum, then it is parsed', async () => {
    const sections = '<sku><![CDATA[OABR-S]]></sku><qty>7</qty><!-- > --><is_in_stock>1</is_in_stock><b a=">"/>';
    stack.openmage.fail({
      on: LIST,
      body: answer(
        `${many(() => '<a/>', 40_000)}<complexObjectArray>${sections}</complexObjectArray>`,
        `xmlns:xsi="${XSI}"`,
      ),
    });
    const { data, errors } = await stack.ask(ASK);
    expect(errors).toBeUndefined();
    expect(data).toEqual({ product: { sku: 'OABR-S', stock: { quantity: 7 } } });
  });
});

type Server = Awaited<ReturnType<typeof startHttpServer>>;

/* URLs in a WSDL must have an origin that the operator configured. */
describe('a WSDL with URLs of another origin', () => {
  let stack: Stack;
  /** Serves WSDLs, a document for each path. */
  let shop: Server;
  /** A server that must never receive a request. */
  let elsewhere: Server;
  let visits: string[];
  let asked: string[];
  const documents = new Map<string, string | { status: number; location: string }>();
  /** Creates the documents of all other paths. */
  let makeDocument: (path: string) => string | undefined;

  beforeAll(async () => {
    stack = await startStack();
    // Reads the shop's own WSDL.
    await stack.ask(ASK);
    shop = await startHttpServer((incoming, response) => {
      asked.push(incoming.url ?? '');
      const path = incoming.url ?? '';
      const document = documents.get(path) ?? makeDocument(path);
      if (typeof document === 'object') response.writeHead(document.status, { location: document.location }).end();
      else if (document === undefined) response.writeHead(404).end();
      else response.setHeader('content-type', 'text/xml').end(document);
    });
    elsewhere = await startHttpServer((incoming, response) => {
      visits.push(`${incoming.method} ${incoming.url}`);
      response.setHeader('content-type', 'text/xml').end(wsdl());
    });
  });
  beforeEach(() => {
    visits = [];
    asked = [];
    documents.clear();
    makeDocument = () => undefined;
    stack.reset();
  });
  afterAll(async () => {
    await stack.close();
    await shop.close();
    await elsewhere.close();
  });

  const endpoint = () => `${stack.openmage.url}${OPENMAGE_PATH}`;
  const wsdl = () => createWsdl(endpoint());
  const inSchema = (text: string) => wsdl().replace(/(<xsd:schema[^>]*>)/, `$1${text}`);
  const inDefinitions = (text: string) => wsdl().replace('<wsdl:types>', `${text}<wsdl:types>`);
  const askBehind = async (env: Record<string, string> = {}) => {
    const gateway = await stack.startAnother({
      ...sandboxEnvironment('openmage', stack.openmage),
      OPENMAGE_WSDL_URL: `${shop.url}/wsdl`,
      OPENMAGE_ENDPOINT_URL: endpoint(),
      ...env,
    });
    const { data, errors } = await gateway.ask(ASK);
    await gateway.close();
    return { data, codes: codesOf(errors) };
  };
  const REFUSED = { data: { product: null }, codes: [['UPSTREAM_BAD_RESPONSE', undefined]] };
  const READ = { data: { product: expect.objectContaining({ sku: 'OABR-S' }) }, codes: undefined };

  test.each([
    ['an import of a schema', (url: string) => inSchema(`<xsd:import namespace="urn:x" schemaLocation="${url}/x"/>`)],
    ['an include', (url: string) => inSchema(`<xsd:include schemaLocation="${url}/x"/>`)],
    ['an import of a WSDL', (url: string) => inDefinitions(`<wsdl:import namespace="urn:x" location="${url}/x"/>`)],
    ['an import without a scheme', (url: string) => inSchema(`<xsd:include schemaLocation="${url.slice(5)}/x"/>`)],
    [
      'an import with the shop’s name before an @',
      (url: string) =>
        inSchema(`<xsd:include schemaLocation="${url.replace('//', `//${new URL(shop.url).host}@`)}/x"/>`),
    ],
    ['an import of a file', () => inSchema('<xsd:include schemaLocation="file:///etc/hostname"/>')],
    ['an import of a path outside the folder', () => inSchema('<xsd:include schemaLocation="//[/../etc/hostname"/>')],
  ])('given %s, then nothing is sent to that origin', async (_, make) => {
    documents.set('/wsdl', make(elsewhere.url));
    expect(await askBehind()).toEqual(REFUSED);
    expect(visits).toEqual([]);
    expect(stack.openmage.calls).toEqual([]);
  });

  test.each(['/wsdl', '/types'])('given a redirect of %s, then it is not followed', async (path) => {
    documents.set('/wsdl', inSchema('<xsd:include schemaLocation="types"/>'));
    documents.set(path, { status: 302, location: `${elsewhere.url}/x` });
    expect(await askBehind()).toEqual(REFUSED);
    expect(visits).toEqual([]);
  });

  test('given a nested import, then it is restricted too', async () => {
    documents.set('/wsdl', inSchema('<xsd:include schemaLocation="/a/types"/>'));
    documents.set(
      '/a/types',
      `<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema"><xsd:include schemaLocation="${elsewhere.url}/x"/></xsd:schema>`,
    );
    expect(await askBehind()).toEqual(REFUSED);
    expect(asked).toContain('/a/types');
    expect(visits).toEqual([]);
  });

  test('given an endpoint of another origin, then it gets no login; OPENMAGE_ENDPOINT_URL overrides it', async () => {
    documents.set('/wsdl', createWsdl(`${elsewhere.url}/api`));
    expect(await askBehind({ OPENMAGE_ENDPOINT_URL: `${shop.url}/api` })).toMatchObject({ data: { product: null } });
    const { data, codes } = await askBehind({ OPENMAGE_ENDPOINT_URL: '' });
    expect({ data, codes }).toEqual(REFUSED);
    expect(visits).toEqual([]);
    expect(await askBehind()).toEqual(READ);
    expect(visits).toEqual([]);
  });

  test('given an import from the same origin, then it is loaded', async () => {
    const types = /<xsd:schema[^>]*>(.*)<\/xsd:schema>/s.exec(wsdl())?.[1] ?? '';
    documents.set('/wsdl', wsdl().replace(types, '<xsd:include schemaLocation="./types?a=1"/>'));
    documents.set(
      '/types?a=1',
      `<xsd:schema targetNamespace="urn:OpenMage" xmlns:tns="urn:OpenMage" xmlns:xsd="http://www.w3.org/2001/XMLSchema">${types}</xsd:schema>`,
    );
    expect(await askBehind()).toEqual(READ);
  });

  test('given endless imports, then loading stops', async () => {
    documents.set('/wsdl', inSchema('<xsd:include schemaLocation="/0"/>'));
    makeDocument = (path) =>
      `<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema"><xsd:include schemaLocation="${path}0"/></xsd:schema>`;
    expect(await askBehind()).toEqual(REFUSED);
    // The WSDL is read at the start, and again for the request.
    expect(asked.length).toBeLessThanOrEqual(2 * 32);
  });

  test('given imports of 3 MiB each, then loading stops', async () => {
    const include = many((index) => `<xsd:include schemaLocation="/${index}"/>`, 5);
    documents.set('/wsdl', inSchema(include));
    makeDocument = () =>
      `<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema"><!--${'x'.repeat(3 * 1024 * 1024)}--></xsd:schema>`;
    expect(await askBehind()).toEqual(REFUSED);
    expect(asked).not.toContain('/4');
  });

  test('given an endpoint of another origin, then the log names the origin, but not the path', async () => {
    documents.set('/wsdl', createWsdl(`${elsewhere.url}/secret-path`));
    const gateway = startProcess(['node', 'gateway/main.ts'], {
      PORT: '0',
      ...sandboxEnvironment('openmage', stack.openmage),
      OPENMAGE_WSDL_URL: `${shop.url}/wsdl`,
    });
    await vi.waitFor(() => expect(gateway.output()).toContain('answers at'), 120_000);
    await createAsk(/answers at (\S+)/.exec(gateway.output())?.[1] ?? '')(ASK);
    await vi.waitFor(() => expect(gateway.output()).toContain(`the WSDL refers to ${elsewhere.url}`), 120_000);
    expect(gateway.output()).not.toContain('secret-path');
    await gateway.stop();
    expect(visits).toEqual([]);
    // Starting a process can take long on a busy machine.
  });
});
