import type { GraphQLFormattedError } from 'graphql';

/** The headers with which Apollo's clients accept the two formats of incremental responses. */
export const ACCEPT_INCREMENTAL = {
  deferSpec: 'multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json;q=0.9',
  incrementalSpec: 'multipart/mixed;incrementalSpec=v0.2,application/graphql-response+json,application/json;q=0.9',
} as const;

export type IncrementalFormat = keyof typeof ACCEPT_INCREMENTAL;

type Path = readonly (string | number)[];
type Errors = readonly GraphQLFormattedError[];

/** A message of either format. */
export type IncrementalMessage = {
  readonly data?: unknown;
  readonly errors?: Errors;
  readonly hasNext: boolean;
  readonly extensions?: Readonly<Record<string, unknown>>;
  readonly pending?: readonly { readonly id: string; readonly path: Path; readonly label?: string }[];
  readonly incremental?: readonly {
    readonly id?: string;
    readonly path?: Path;
    readonly label?: string;
    readonly data: unknown;
    readonly errors?: Errors;
  }[];
  readonly completed?: readonly { readonly id: string; readonly errors?: Errors }[];
};

/** Reads the messages of a multipart response as they arrive. */
export const readMessages = async function* (response: Response): AsyncGenerator<IncrementalMessage> {
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const parts = text.split('\r\n--graphql');
    text = parts.pop() ?? '';
    for (const part of parts) yield JSON.parse(part.slice(part.indexOf('\r\n\r\n') + 4));
  }
  if (text !== '--\r\n') throw new Error(`The response ends with ${JSON.stringify(text)}.`);
};

/** Sends an operation whose response may have several parts. */
export const sendIncremental = (
  url: string,
  body: { readonly query: string; readonly variables?: Readonly<Record<string, unknown>> },
  format: IncrementalFormat,
  init: { readonly headers?: Record<string, string>; readonly signal?: AbortSignal } = {},
): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    ...init,
    headers: { 'content-type': 'application/json', accept: ACCEPT_INCREMENTAL[format], ...init.headers },
    body: JSON.stringify(body),
  });

export type Merged = {
  readonly data: unknown;
  readonly errors: Errors;
  /** The paths of objects at which a part is null because of an error. */
  readonly failed: readonly Path[];
  readonly extensions: Readonly<Record<string, unknown>>;
};

/** Merges the messages of a response, as clients do. Throws if they violate the format. */
export const mergeMessages = (messages: readonly IncrementalMessage[]): Merged => {
  let data: unknown;
  const errors: GraphQLFormattedError[] = [];
  const failed: Path[] = [];
  const extensions = {};
  const pending = new Map<string, Path>();
  const seen = new Set<string>();
  for (const [index, message] of messages.entries()) {
    if (message.hasNext !== index < messages.length - 1) throw new Error(`hasNext is wrong in message ${index}.`);
    if (index === 0) data = structuredClone(message.data);
    for (const { id, path } of message.pending ?? []) {
      if (seen.has(id)) throw new Error(`The part ${id} is announced twice.`);
      seen.add(id);
      pending.set(id, path);
    }
    errors.push(...(message.errors ?? []));
    Object.assign(extensions, message.extensions);
    for (const part of message.incremental ?? []) {
      const path = part.path ?? pending.get(part.id ?? '');
      if (!path) throw new Error(`The part ${part.id} was not announced.`);
      errors.push(...(part.errors ?? []));
      const target = valueAt(data, path);
      if (!isObject(target)) throw new Error(`There is no object at ${path.join('.')}.`);
      if (part.data === null) failed.push(path);
      else merge(target, part.data);
    }
    // The object of a part can be in the message that announces it.
    for (const { path } of message.pending ?? []) {
      if (!isObject(valueAt(data, path))) throw new Error(`There is no object at ${path.join('.')}.`);
    }
    for (const { id, errors: own } of message.completed ?? []) {
      const path = pending.get(id);
      if (!path) throw new Error(`The part ${id} is not pending.`);
      if (own) failed.push(path);
      errors.push(...(own ?? []));
      pending.delete(id);
    }
  }
  if (pending.size > 0) throw new Error(`The parts ${[...pending.keys()]} were not completed.`);
  return { data, errors, failed, extensions };
};

/** Sends an operation and merges the parts of its response. */
export const askIncremental = async (
  ...[url, body, format, init]: Parameters<typeof sendIncremental>
): Promise<Merged & { readonly messages: readonly IncrementalMessage[] }> => {
  const response = await sendIncremental(url, body, format, init);
  if (!response.headers.get('content-type')?.startsWith('multipart/mixed')) {
    const { data, errors = [], extensions = {} } = (await response.json()) as Partial<Merged>;
    return { data, errors, extensions, failed: [], messages: [] };
  }
  const messages = await Array.fromAsync(readMessages(response));
  return { ...mergeMessages(messages), messages };
};

type Json = { [name: string]: unknown };

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

const valueAt = (data: unknown, path: Path): unknown =>
  path.reduce((value, step) => (isObject(value) ? value[step] : undefined), data);

const merge = (target: Json, source: unknown): void => {
  for (const [name, value] of Object.entries(source as Json)) {
    const existing = Object.hasOwn(target, name) ? target[name] : undefined;
    if (isObject(existing) && isObject(value)) merge(existing, value);
    else Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
  }
};
