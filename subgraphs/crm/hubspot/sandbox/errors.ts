import type { SandboxResponse } from '../../../../sandbox/server.ts';

const CORRELATION_ID = 'f4e3c2d1-0000-4000-8000-0a1b2c3d4e5f';

/** An error with HubSpot's error body as its response. */
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

/** Creates a response with a JSON body. */
export const json = (status: number, body: unknown): SandboxResponse => ({
  status,
  headers: { 'content-type': 'application/json;charset=utf-8' },
  body: JSON.stringify(body),
});

/** An error of a batch, about inputs that were not carried out. */
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

/** Creates the response of a batch: `status` if all inputs were carried out, otherwise 207. */
export const batchResponse = (
  status: number,
  now: () => number,
  results: readonly object[],
  errors: readonly BatchError[] = [],
): SandboxResponse => {
  const at = new Date(now()).toISOString();
  const body = { status: 'COMPLETE', results, startedAt: at, completedAt: at };
  return errors.length === 0 ? json(status, body) : json(207, { ...body, numErrors: errors.length, errors });
};

/** 404: the record or endpoint does not exist. */
export const notFound = (message = 'resource not found'): HubSpotError =>
  new HubSpotError(404, 'OBJECT_NOT_FOUND', message);

/** 400: the input is invalid. */
export const validationError = (message: string): HubSpotError => new HubSpotError(400, 'VALIDATION_ERROR', message);

/** 429, with the name of the exceeded limit. */
export const rateLimited = (policyName: 'TEN_SECONDLY_ROLLING' | 'SECONDLY'): SandboxResponse =>
  json(429, {
    status: 'error',
    message: `You have reached your ${policyName.toLowerCase()} limit.`,
    category: 'RATE_LIMITS',
    errorType: 'RATE_LIMIT',
    correlationId: CORRELATION_ID,
    policyName,
  });
