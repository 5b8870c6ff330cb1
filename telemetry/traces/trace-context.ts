import { randomFillSync } from 'node:crypto';

/* W3C Trace Context, level 1: https://www.w3.org/TR/trace-context-1/ */

/** The trace that an incoming request is part of, and the caller's span. */
export type TraceParent = { readonly traceId: string; readonly spanId: string; readonly isSampled: boolean };

const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROS = /^0+$/;

/** Reads a `traceparent` header; undefined if it is missing or invalid. A later version counts by its first four fields. */
export const readTraceParent = (header: unknown): TraceParent | undefined => {
  const match = typeof header === 'string' ? PARENT.exec(header) : null;
  if (!match) return undefined;
  const [, version = '', traceId = '', spanId = '', flags = '', rest] = match;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
};

export const writeTraceParent = ({ traceId, spanId, isSampled }: TraceParent): string =>
  `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;

const MAX_STATE_CHARS = 512;
const MAX_STATE_MEMBERS = 32;
const MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** Reads a `tracestate` header; undefined if it is missing, invalid or longer than every implementation must accept. */
export const readTraceState = (header: unknown): string | undefined => {
  if (typeof header !== 'string' || header.length > MAX_STATE_CHARS) return undefined;
  const members = header
    .split(',')
    .map((member) => member.trim())
    .filter(Boolean);
  const isValid = members.length <= MAX_STATE_MEMBERS && members.every((member) => MEMBER.test(member));
  return isValid && members.length > 0 ? members.join(',') : undefined;
};

// Filled many ids at a time: a call for each costs several times as much.
const pool = Buffer.alloc(4096);
let used = pool.length;

/** Returns the hexadecimal form of random bytes. Those of an id are never all zero, for practical purposes. */
const randomHex = (bytes: number): string => {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
};

export const createTraceId = (): string => randomHex(16);

export const createSpanId = (): string => randomHex(8);
