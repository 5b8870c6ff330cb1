import type { GraphQLSchema } from 'graphql';
import { useSyncExternalStore } from 'react';
import { send, URL } from '../send.ts';
import { readSettings } from '../settings.ts';
import { asClause, type Draft, type Request, toRequest } from './draft.ts';
import { runKey } from './report.ts';

/*
 * The estimated cost of the operation in the editors. The gateway plans the operation and does not execute it.
 */

export type Calls = {
  readonly atLeast: number;
  readonly expected: number;
  readonly atMost: number;
  /** Calls that are expected to be saved by the cache. */
  readonly saved: number;
};

/** The gateway's estimate in `extensions.tributary.explain`. */
export type Explanation = {
  readonly objects: number;
  readonly calls: Calls;
  readonly providers: readonly (Calls & { readonly subgraph: string; readonly repeats: number })[];
  readonly operations: readonly (Calls & { readonly subgraph: string; readonly operation: string })[];
  /** The budget for which it would be refused now. */
  readonly budget: { readonly message: string } | null;
};

export type Estimate =
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'estimate'; readonly key: string; readonly explanation: Explanation };

/** Time without a change after which the estimate is requested, in milliseconds. */
const DEBOUNCE_MS = 400;

const EXPLAIN_HEADERS = { 'content-type': 'application/json', accept: 'application/json', 'x-tributary-explain': '1' };

/** An operation that does nothing. */
const PROBE = { query: '{ __typename }' };

const NOT_ALLOWED = 'this gateway does not allow estimates. With CALL_REPORT=on it does.';

let shown: Estimate = { kind: 'none', reason: 'the schema is being loaded.' };
let draft: { readonly key: string; readonly content: Draft; readonly schema: Schema } | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;
let request: AbortController | undefined;
/** Whether the gateway has estimated an operation. */
let isProven = false;
const listeners = new Set<() => void>();

const show = (next: Estimate): void => {
  shown = next;
  for (const listener of listeners) listener();
};

/** Returns the current estimate, or why there is none. While the next one is on its way, returns the one before. */
export const useEstimate = (): Estimate =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => shown,
  );

/** Undefined while it is read, and null if it cannot be read. */
type Schema = GraphQLSchema | null | undefined;

/** Estimates the content of the editors as soon as it has not changed for a while. Cancels the request before. */
export const changeDraft = (content: Draft, schema: Schema): void => {
  const key = JSON.stringify(content);
  if (draft?.key === key && draft.schema === schema) return;
  draft = { key, content, schema };
  schedule(DEBOUNCE_MS);
};

/** Estimates the same content again: for another person, or after a run, which was measured. */
export const refreshEstimate = (): void => schedule(0);

const schedule = (delayMs: number): void => {
  clearTimeout(timer);
  request?.abort();
  timer = setTimeout(() => void estimate(), delayMs);
};

const estimate = async (): Promise<void> => {
  if (draft?.schema === undefined) return;
  const controller = new AbortController();
  request = controller;
  const wanted = toRequest(draft.content, draft.schema);
  const next = typeof wanted === 'string' ? none(wanted) : await fetchEstimate(wanted, controller.signal);
  if (!controller.signal.aborted) show(next);
};

const none = (reason: string): Estimate => ({ kind: 'none', reason });

const fetchEstimate = async ({ body, headers }: Request, signal: AbortSignal): Promise<Estimate> => {
  // The browser would report a refused request as an error of the page.
  if (!(await readSettings()).hasEstimates) return none(NOT_ALLOWED);
  try {
    // If a proxy removed the header, the gateway would execute the operation, mutations included.
    if (!isProven) {
      const { explanation, error } = await explain(PROBE, headers, signal);
      if (!explanation) return none(asClause(error));
      isProven = true;
    }
    const { explanation, error } = await explain(body, headers, signal);
    return explanation ? { kind: 'estimate', key: runKey(body), explanation } : none(asClause(error));
  } catch {
    return none('the gateway does not respond.');
  }
};

const explain = async (body: object, given: Headers, signal: AbortSignal) => {
  const headers = new Headers(given);
  for (const [name, value] of Object.entries(EXPLAIN_HEADERS)) headers.set(name, value);
  const response = await send(URL, { method: 'POST', headers, body: JSON.stringify(body), signal });
  const { errors: [error] = [], extensions } = (await response.json()) as {
    errors?: readonly { readonly message: string }[];
    extensions?: { readonly tributary?: { readonly explain?: Explanation } };
  };
  const message = error?.message ?? 'The gateway returned none.';
  return { explanation: extensions?.tributary?.explain, error: message };
};
