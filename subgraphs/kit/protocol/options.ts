import type { Client } from '../../../runtime/client-usage.ts';
import { monotonicNow } from '../../../runtime/clock.ts';
import type { CallAllowance } from '../../../telemetry/call-stats.ts';

/** Options of an operation, from a client or from the gateway on its behalf. */
export type OperationOptions = {
  /** Aborts at the deadline or when the client leaves. */
  readonly signal: AbortSignal;
  /** The deadline, by `monotonicNow`. */
  readonly deadlineAt: number;
  /** Bypasses the cache: only data fetched after the request arrived is used. */
  readonly noCache: boolean;
  /** Detail of the call statistics in the response: sums per provider operation, or also the time of each request. */
  readonly report: 'calls' | 'trace' | undefined;
  /** Whether the response reports how much longer it is fresh. */
  readonly reportMaxAge: boolean;
  /** The provider calls that a subgraph may make for this operation. Default: not limited. */
  readonly allowance?: CallAllowance | undefined;
  /** The client of the gateway that providers' rate limits are shared by. Undefined if it is not known. */
  readonly client?: Client | undefined;
};

/** Minimum and maximum weight of a client. */
export const CLIENT_WEIGHTS = { min: 0.01, max: 100 } as const;

/** The options that headers carry. */
export type HeaderOptions = Required<Omit<OperationOptions, 'signal' | 'deadlineAt'>> & {
  /** Time until the deadline, in milliseconds: each process has its own clock. Undefined if there is no deadline. */
  readonly timeoutMs: number | undefined;
};

type Header<Value> = {
  readonly name: string;
  readonly read: (header: unknown) => Value;
  readonly write: (value: Value) => string | undefined;
};

/** The header of each option. A client's headers go to the gateway, which writes its own for subgraphs over HTTP. */
const HEADERS: { readonly [Option in keyof HeaderOptions]: Header<HeaderOptions[Option]> } = {
  timeoutMs: {
    name: 'x-tributary-deadline-ms',
    read: (header) => (typeof header === 'string' && /^\d{1,9}$/.test(header) ? Number(header) : undefined),
    write: (timeoutMs) => (timeoutMs === undefined ? undefined : String(Math.ceil(timeoutMs))),
  },
  noCache: {
    name: 'cache-control',
    read: (header) => typeof header === 'string' && /(^|[\s,])no-cache($|[\s,])/i.test(header),
    write: (noCache) => (noCache ? 'no-cache' : undefined),
  },
  report: {
    name: 'x-tributary-report',
    read: (header) => (header === '1' ? 'calls' : header === 'trace' ? 'trace' : undefined),
    write: (report) => (report === 'calls' ? '1' : report),
  },
  reportMaxAge: {
    name: 'x-tributary-freshness',
    read: (header) => header === '1',
    write: (reportMaxAge) => (reportMaxAge ? '1' : undefined),
  },
  allowance: {
    name: 'x-tributary-allowance',
    read: (header) => {
      const [, calls, repeats] = (typeof header === 'string' && /^(\d{1,13});(\d{1,13})$/.exec(header)) || [];
      return calls === undefined ? undefined : { calls: Number(calls), repeats: Number(repeats) };
    },
    write: (allowance) => allowance && `${allowance.calls};${allowance.repeats}`,
  },
  client: {
    name: 'x-tributary-client',
    read: (header) => {
      const [, id, weight] = (typeof header === 'string' && /^([\w-]{1,64});([\d.]{1,6})$/.exec(header)) || [];
      const isValid = Number(weight) >= CLIENT_WEIGHTS.min && Number(weight) <= CLIENT_WEIGHTS.max;
      return id !== undefined && isValid ? { id, weight: Number(weight) } : undefined;
    },
    write: (client) => client && `${client.id};${Number(client.weight.toFixed(2))}`,
  },
};

/** Writes an operation's options as headers for a subgraph. */
export const writeOptions = ({ deadlineAt, ...options }: Omit<OperationOptions, 'signal'>): Record<string, string> => {
  const timeoutMs = Number.isFinite(deadlineAt) ? Math.max(0, deadlineAt - monotonicNow()) : undefined;
  const values: HeaderOptions = { allowance: undefined, client: undefined, ...options, timeoutMs };
  const headers: Record<string, string> = {};
  for (const option of OPTIONS) {
    const { name, write } = HEADERS[option] as Header<unknown>;
    const header = write(values[option]);
    if (header !== undefined) headers[name] = header;
  }
  return headers;
};

/** Reads the options in a request's headers. An invalid header counts as absent. */
export const readOptions = (headers: Readonly<Record<string, unknown>>): HeaderOptions => {
  const read = OPTIONS.map((option) => [option, HEADERS[option].read(headers[HEADERS[option].name])]);
  return Object.fromEntries(read) as HeaderOptions;
};

const OPTIONS = Object.keys(HEADERS) as (keyof HeaderOptions)[];

/** The header of a subgraph's stream with the place from which it begins. */
export const PLACE_HEADER = 'x-tributary-event-id';
