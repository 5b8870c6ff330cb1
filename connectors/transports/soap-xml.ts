/**
 * Limits on XML from outside, checked before `soap` parses it. Its parser runs on the main thread, and some of its work is
 * superlinear: quadratic in n for n elements and n prefixes bound to the schema-instance namespace, and for n references to
 * one element of n fields; a text that contains another document is searched by a quadratic regular expression; and
 * `id="__proto__"` writes to `Object.prototype`.
 */

/** Maximum nesting depth. The shop's deepest response has 8 levels. */
const MAX_DEPTH = 64;

/** Maximum number of elements in a document. The largest response, of 200 catalogue entries, has 2,600. */
const MAX_ELEMENTS = 50_000;

/** Maximum number of attributes in a document. SOAP encoding has one or two for each element. */
const MAX_ATTRIBUTES = 2 * MAX_ELEMENTS;

/** Maximum number of distinct namespace prefixes in a message. PHP's servers declare up to 6. */
const MAX_PREFIXES = 32;

/** The same for a WSDL, where .NET's tools number the prefixes. */
const MAX_WSDL_PREFIXES = 1_000;

/**
 * Returns why a document must not be parsed; undefined if it may be. One pass, in time proportional to the text.
 *
 * Rejects documents over the limits above and document type declarations (forbidden by SOAP 1.1, section 3); in messages
 * also references between elements and documents within texts, neither of which occurs in document/literal SOAP. The parser,
 * not this check, reports documents that are not well-formed.
 */
export const findXmlViolation = (xml: string, kind: 'message' | 'wsdl'): string | undefined => {
  const maxPrefixes = kind === 'message' ? MAX_PREFIXES : MAX_WSDL_PREFIXES;
  const prefixes = new Set<string>();
  let depth = 0;
  let elements = 0;
  let attributes = 0;
  let at = xml.indexOf('<');
  while (at !== -1) {
    const next = xml[at + 1];
    let end: number;
    if (next === '/') {
      depth -= 1;
      end = xml.indexOf('>', at);
    } else if (next === '?') {
      end = xml.indexOf('?>', at + 2);
    } else if (xml.startsWith('<!--', at)) {
      end = xml.indexOf('-->', at + 4);
    } else if (xml.startsWith('<![CDATA[', at)) {
      end = xml.indexOf(']]>', at + 9);
      if (end !== -1 && kind === 'message' && xml.slice(at, end).includes('<?xml')) return 'a document within a text';
    } else if (next === '!') {
      return 'a document type declaration';
    } else {
      const tag = readTag(xml, at + 1);
      if (!tag) return 'an element without an end';
      elements += 1;
      attributes += tag.attributes.length;
      if (attributes > MAX_ATTRIBUTES) return `more than ${MAX_ATTRIBUTES} attributes`;
      if (elements > MAX_ELEMENTS) return `more than ${MAX_ELEMENTS} elements`;
      if (!tag.isEmpty) depth += 1;
      if (depth > MAX_DEPTH) return `more than ${MAX_DEPTH} levels of elements`;
      for (const [name, value] of tag.attributes) {
        if (name.startsWith('xmlns')) prefixes.add(name);
        else if (kind === 'message' && (name === 'href' || (name === 'id' && isUnsafeId(value)))) {
          return 'references between elements';
        }
      }
      if (prefixes.size > maxPrefixes) return `more than ${maxPrefixes} namespace prefixes`;
      end = tag.end;
    }
    if (end === -1) return 'an element without an end';
    at = xml.indexOf('<', end);
  }
  return undefined;
};

/** Whether an id is the name of a property of every object, or may become one when its entities are decoded. */
const isUnsafeId = (id: string): boolean => id.includes('&') || id in {};

type Tag = {
  readonly attributes: readonly (readonly [name: string, value: string])[];
  readonly isEmpty: boolean;
  /** The index of its `>`. */
  readonly end: number;
};

const isSpace = (char: string | undefined): boolean => char === ' ' || char === '\n' || char === '\t' || char === '\r';

/** Reads a start tag from its name on; undefined if it has no end. A `>` within a value does not end it. */
const readTag = (xml: string, from: number): Tag | undefined => {
  const attributes: [string, string][] = [];
  let at = from;
  let nameFrom = -1;
  let name = '';
  while (at < xml.length) {
    const char = xml[at];
    if (char === '>') return { attributes, isEmpty: xml[at - 1] === '/', end: at };
    if (char === '"' || char === "'") {
      const close = xml.indexOf(char, at + 1);
      if (close === -1) return undefined;
      attributes.push([name, xml.slice(at + 1, close)]);
      nameFrom = -1;
      at = close + 1;
      continue;
    }
    if (isSpace(char) || char === '=') {
      if (nameFrom !== -1) name = xml.slice(nameFrom, at);
      nameFrom = -1;
    } else if (nameFrom === -1) nameFrom = at;
    at += 1;
  }
  return undefined;
};

/**
 * Escapes texts that begin and end like a CDATA section. `soap` would send those verbatim, so that anybody who can choose a
 * text could add elements to the message. Such a text is wrapped in CDATA sections that decode to exactly the same text.
 */
export const protectTexts = (value: unknown): unknown => {
  if (typeof value === 'string') {
    return value.startsWith('<![CDATA[') && value.endsWith(']]>')
      ? `<![CDATA[${value.replaceAll(']]>', ']]]]><![CDATA[>')}]]>`
      : value;
  }
  if (Array.isArray(value)) return value.map(protectTexts);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, protectTexts(inner)]));
};

/** Returns the local part of a SOAP 1.1 fault code, e.g. `Client` or `5`; undefined if the first one is unreadable. */
export const readFaultCode = (xml: string): string | undefined => {
  let at = -1;
  do {
    at = xml.indexOf('faultcode', at + 1);
  } while (at > 0 && xml[at - 1] !== '<' && xml[at - 1] !== ':');
  if (at < 1) return undefined;
  const from = xml.indexOf('>', at) + 1;
  const to = xml.indexOf('<', from);
  if (from === 0 || to === -1) return undefined;
  const code = xml.slice(from, Math.min(to, from + MAX_FAULT_CODE)).trim();
  return /^\S+$/.test(code) ? code.slice(code.indexOf(':') + 1) : undefined;
};

const MAX_FAULT_CODE = 256;
