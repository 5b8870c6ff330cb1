import { XMLParser } from 'fast-xml-parser';
import type { SandboxResponse } from '../../../../sandbox/server.ts';
import { NAMESPACE, OPERATIONS } from './contract.ts';

export type XmlValue =
  | string
  | number
  | boolean
  | { readonly [name: string]: XmlValue | readonly XmlValue[] | undefined };

/** An error with a SOAP fault as its response. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: number | 'SOAP-ENV:Server';

  constructor(code: Fault['code'], message: string) {
    super(message);
    this.code = code;
  }

  toResponse(): SandboxResponse {
    return faultMessage(this.code, this.message);
  }
}

const parser = new XMLParser({
  removeNSPrefix: true,
  parseTagValue: false,
  // SKUs may begin or end with a space.
  trimValues: false,
  ignoreAttributes: true,
  isArray: (name) => name === 'complexObjectArray',
});

/** Parses a message to its operation and fields. An empty element is an empty string. */
export const readMessage = (xml: string): { operation: string; input: Record<string, unknown> } | undefined => {
  let body: Record<string, unknown>;
  try {
    body = (parser.parse(xml) as { Envelope?: { Body?: Record<string, unknown> } }).Envelope?.Body ?? {};
  } catch {
    return undefined;
  }
  // White space between elements is parsed as a text node.
  const element = Object.keys(body).find((name) => name !== '#text');
  const found = Object.entries(OPERATIONS).find(([, { request }]) => `${request}Param` === element);
  return found && { operation: found[0], input: body[String(element)] as Record<string, unknown> };
};

const escapeXml = (text: string): string =>
  text.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char] ?? char);

const write = (name: string, value: XmlValue | readonly XmlValue[] | undefined): string => {
  if (value === undefined) return '';
  if (Array.isArray(value)) return value.map((item) => write(name, item as XmlValue)).join('');
  if (typeof value !== 'object') return `<${name}>${escapeXml(String(value))}</${name}>`;
  const children = Object.entries(value as Record<string, XmlValue>);
  return `<${name}>${children.map(([child, inner]) => write(child, inner)).join('')}</${name}>`;
};

const envelope = (status: number, body: string): SandboxResponse => ({
  status,
  headers: { 'content-type': 'text/xml; charset=utf-8' },
  body: `<?xml version="1.0" encoding="UTF-8"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="${NAMESPACE}"><SOAP-ENV:Body>${body}</SOAP-ENV:Body></SOAP-ENV:Envelope>\n`,
});

// Only the top element is in the shop's namespace: elementFormDefault of its schema is unqualified.
export const resultMessage = (operation: string, result: XmlValue): SandboxResponse =>
  envelope(200, `<ns1:${operation}ResponseParam>${write('result', result)}</ns1:${operation}ResponseParam>`);

/** Creates a SOAP fault, which has status 500. */
export const faultMessage = (code: number | string, message: string): SandboxResponse =>
  envelope(
    500,
    `<SOAP-ENV:Fault><faultcode>${code}</faultcode><faultstring>${escapeXml(message)}</faultstring></SOAP-ENV:Fault>`,
  );
