import type { SandboxResponse } from '../../../../sandbox/server.ts';

const CORRELATION_ID = 'f4e3c2d1-0000-4000-8000-0a1b2c3d4e5f';

/** Ends a call with the provider's error body. */
export class HubSpotError extends Error {
  override readonly name = 'HubSpotError';
  readonly status: number;
  readonly category: string;

  constructor(status: number, category: string, message: string) {
    super(message);
    this.status = status;
    this.category = category;
  }

  toResponse(): SandboxResponse {
    return json(this.status, {
      status: 'error',
      message: this.message,
      correlationId: CORRELATION_ID,
      category: this.category,
    });
  }
}

/** An answer with a JSON body. */
export const json = (status: number, body: unknown): SandboxResponse => ({
  status,
  headers: { 'content-type': 'application/json;charset=utf-8' },
  body: JSON.stringify(body),
});

/** What a batch says of inputs that it did not carry out. */
export type BatchError = {
  readonly status: string;
  readonly category: string;
  readonly subCategory?: string;
  readonly message: string;
  readonly context: Readonly<Record<string, readonly string[]>>;
  readonly errors: readonly object[];
  readonly links: Readonly<Record<string, string>>;
};

export const batchError = (
  category: string,
  message: string,
  context: BatchError['context'],
  subCategory?: string,
): BatchError => ({
  status: 'error',
  category,
  ...(subCategory !== undefined && { subCategory }),
  message,
  context,
  errors: [],
  links: {},
});

/** The answer of a batch: `status` where all of it was carried out, and 207 where not. */
export const batchAnswer = (
  status: number,
  now: () => number,
  results: readonly object[],
  errors: readonly BatchError[] = [],
): SandboxResponse => {
  const at = new Date(now()).toISOString();
  const answer = { status: 'COMPLETE', results, startedAt: at, completedAt: at };
  return errors.length === 0 ? json(status, answer) : json(207, { ...answer, numErrors: errors.length, errors });
};

/** 404: no such record, or no such endpoint. */
export const notFound = (message = 'resource not found'): HubSpotError =>
  new HubSpotError(404, 'OBJECT_NOT_FOUND', message);

/** 400: something about the input. */
export const validationError = (message: string): HubSpotError => new HubSpotError(400, 'VALIDATION_ERROR', message);

/** 429, with the name of the limit that was met. */
export const rateLimited = (policyName: 'TEN_SECONDLY_ROLLING' | 'SECONDLY'): SandboxResponse =>
  json(429, {
    status: 'error',
    message: `You have reached your ${policyName.toLowerCase()} limit.`,
    category: 'RATE_LIMITS',
    errorType: 'RATE_LIMIT',
    correlationId: CORRELATION_ID,
    policyName,
  });
