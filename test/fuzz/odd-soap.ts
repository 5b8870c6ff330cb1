import type { Odd } from './odd-bodies.ts';

/* Invalid or malicious SOAP messages. */

const ENVELOPE = 'http://schemas.xmlsoap.org/soap/envelope/';
const xml = (name: string, text: string, status = 200): Odd => ({
  name,
  status,
  headers: { 'content-type': 'text/xml' },
  body: () => text,
});
const inBody = (content: string) => `<e:Envelope xmlns:e="${ENVELOPE}"><e:Body>${content}</e:Body></e:Envelope>`;
const answerOf = (content: string) =>
  inBody(
    `<ns1:catalogInventoryStockItemListResponseParam xmlns:ns1="urn:OpenMage"><result>${content}</result></ns1:catalogInventoryStockItemListResponseParam>`,
  );
const item = '<complexObjectArray><sku>OABR-S</sku><qty>1.0</qty><is_in_stock>1</is_in_stock></complexObjectArray>';
const fault = (content: string) => inBody(`<e:Fault>${content}</e:Fault>`);

const DEEP = 10_000;
const ENTITIES = Array.from({ length: 10 }, (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`).join('');

export const ODD_SOAP: readonly Odd[] = [
  xml('a document type', `<!DOCTYPE e [<!ENTITY a "b">]>${answerOf('&a;')}`),
  xml('a billion laughs', `<!DOCTYPE e [<!ENTITY e0 "ha">${ENTITIES}]>${answerOf('&e10;')}`),
  xml('a file as an entity', `<!DOCTYPE e [<!ENTITY f SYSTEM "file:///etc/passwd">]>${answerOf('&f;')}`),
  xml('a URL as an entity', `<!DOCTYPE e [<!ENTITY % f SYSTEM "http://127.0.0.1:1/"> %f;]>${answerOf('')}`),
  xml('unknown entities', answerOf('&nbsp;&unknown;&#x110000;&#0;&;')),
  xml('CDATA', answerOf('<![CDATA[<complexObjectArray/>]]>')),
  xml('unterminated CDATA', answerOf('<![CDATA[')),
  xml('CDATA instead of a message', `<![CDATA[${answerOf('')}]]>`),
  xml('processing instructions', `<?xml version="1.0"?><?php exit ?>${answerOf('<?x y?>')}`),
  xml('an unterminated instruction', '<?xml version="1.0"'),
  xml('another version', `<?xml version="9.9" encoding="EBCDIC"?>${answerOf('')}`),
  xml('another encoding', `<?xml version="1.0" encoding="UTF-16"?>${answerOf('')}`),
  xml('an unterminated comment', answerOf('<!--')),
  xml('ten thousand comments', answerOf('<!-- -- -->'.repeat(DEEP))),
  xml('ten thousand spaces', `${' '.repeat(DEEP)}${answerOf(' '.repeat(DEEP))}`),
  xml('an undeclared namespace', '<z:Envelope><z:Body/></z:Envelope>'),
  xml('SOAP 1.2', answerOf(item).replaceAll(ENVELOPE, 'http://www.w3.org/2003/05/soap-envelope')),
  xml('no namespaces', '<Envelope><Body><result/></Body></Envelope>'),
  xml('redeclared namespaces', inBody(`<a:x xmlns:a="urn:a"><b:y xmlns:b="urn:b" xmlns:a="urn:c"><a:z/></b:y></a:x>`)),
  xml('an empty envelope', `<e:Envelope xmlns:e="${ENVELOPE}"/>`),
  xml('a body without an envelope', '<Body/>'),
  xml('two bodies', `<e:Envelope xmlns:e="${ENVELOPE}"><e:Body/><e:Body/></e:Envelope>`),
  xml('two envelopes', answerOf(item) + answerOf(item)),
  xml('an envelope in an envelope', inBody(answerOf(item))),
  xml(
    'a header without a body',
    `<e:Envelope xmlns:e="${ENVELOPE}"><e:Header>${'<h/>'.repeat(1_000)}</e:Header></e:Envelope>`,
  ),
  xml('ten thousand nested elements', answerOf(`${'<a>'.repeat(DEEP)}${'</a>'.repeat(DEEP)}`)),
  xml('ten thousand unclosed elements', answerOf('<a>'.repeat(DEEP))),
  xml('a hundred thousand list items', answerOf('<complexObjectArray/>'.repeat(1e5))),
  xml('a hundred thousand unknown elements', answerOf('<a/>'.repeat(1e5))),
  xml('twenty thousand items of one SKU', answerOf(item.repeat(20_000))),
  xml('ten thousand attributes', answerOf(`<a ${Array.from({ length: DEEP }, (_, i) => `a${i}="1"`).join(' ')}/>`)),
  xml('the same attribute twice', answerOf('<a b="1" b="2"/>')),
  xml('an unterminated attribute', answerOf('<a b="')),
  xml('a name of a hundred thousand characters', answerOf(`<${'a'.repeat(1e5)}/>`)),
  xml('an item without parts', answerOf('<complexObjectArray/>')),
  xml('an item that is text', answerOf('<complexObjectArray>x</complexObjectArray>')),
  xml('an item within an item', answerOf(`<complexObjectArray>${item}</complexObjectArray>`)),
  xml('two SKUs in an item', answerOf('<complexObjectArray><sku>a</sku><sku>b</sku></complexObjectArray>')),
  xml('elements named like inherited properties', answerOf('<__proto__><x/></__proto__><constructor/><toString/>')),
  xml('a SKU named like one', answerOf('<complexObjectArray><sku>__proto__</sku><qty>1</qty></complexObjectArray>')),
  xml('a href', answerOf('<complexObjectArray href="#1"/><multiRef id="1"><multiRef href="#1"/></multiRef>')),
  xml('a nil response', answerOf('<x xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/>')),
  xml('JSON', '{"result": []}'),
  xml('the word Envelope', 'Envelope'),
  xml('an empty fault', fault(''), 500),
  xml('a fault without a code', fault('<faultstring>x</faultstring>'), 500),
  xml('a fault with two codes', fault('<faultcode>5</faultcode><faultcode>101</faultcode>'), 500),
  xml('a fault whose code has child elements', fault('<faultcode><a>5</a></faultcode>'), 500),
  xml('a fault with a prototype', fault('<faultcode>__proto__</faultcode>'), 500),
  xml('a fault with 200', fault('<faultcode>5x</faultcode>'), 200),
  xml('a fault of SOAP 1.2', inBody('<e:Fault><e:Code><e:Value>e:Sender</e:Value></e:Code></e:Fault>'), 500),
  xml('a fault of 390 kB of unclosed tags', `Envelope${'<faultcode'.repeat(39_000)}`, 500),
  xml('a fault of 390 kB of prefixes', `Envelope<${'a-'.repeat(195_000)}`, 500),
  xml('a fault of 390 kB of spaces', `Envelope<faultcode>${' '.repeat(390_000)}`, 500),
  xml('a fault of 390 kB of names', fault(`<faultcode>${'a:'.repeat(195_000)}</faultcode>`), 500),
  xml('a fault of a thousand details', fault(`<faultcode>7</faultcode><detail>${'<d/>'.repeat(1_000)}</detail>`), 500),
];

const WSDL = 'http://schemas.xmlsoap.org/wsdl/';
const definitions = (content: string) =>
  `<w:definitions xmlns:w="${WSDL}" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:t="urn:t" targetNamespace="urn:t">${content}</w:definitions>`;

/** Invalid or malicious WSDLs. */
export const ODD_WSDL: readonly Odd[] = [
  xml('no definitions', definitions('')),
  xml('an import of itself', definitions('<w:import namespace="urn:t" location="?wsdl"/>')),
  xml('an import of nothing', definitions('<w:import/>')),
  xml('an import from another origin', definitions('<w:import namespace="urn:x" location="http://127.0.0.1:1/x"/>')),
  xml('an import of a file', definitions('<w:import namespace="urn:x" location="file:///etc/passwd"/>')),
  xml(
    'a service without a binding',
    definitions('<w:service name="S"><w:port name="P" binding="t:none"/></w:service>'),
  ),
  xml(
    'a binding without a port type',
    definitions('<w:binding name="B" type="t:none"/><w:service name="S"><w:port name="P" binding="t:B"/></w:service>'),
  ),
  xml('types within types', definitions(`<w:types>${'<w:types>'.repeat(1_000)}`)),
  xml(
    'a service named like an inherited property',
    definitions('<w:service name="__proto__"><w:port name="constructor"/></w:service>'),
  ),
  xml('a document type', `<!DOCTYPE d [<!ENTITY a "b">]>${definitions('&a;')}`),
  xml('a message', answerOf(item)),
  xml('an HTML page', '<html><body>Not found</body></html>'),
];
