import type { SandboxAnswer } from '../server.ts';

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

  toAnswer(): SandboxAnswer {
    return json(this.status, {
      status: 'error',
      message: this.message,
      correlationId: CORRELATION_ID,
      category: this.category,
    });
  }
}

/** An answer with a JSON body. */
export const json = (status: number, body: unknown): SandboxAnswer => ({
  status,
  headers: { 'content-type': 'application/json;charset=utf-8' },
  body: JSON.stringify(body),
});

/** 400: something about the input. */
export const validationError = (message: string): HubSpotError => new HubSpotError(400, 'VALIDATION_ERROR', message);

/** 429, with the name of the limit that was met. */
export const rateLimited = (policyName: 'TEN_SECONDLY_ROLLING' | 'SECONDLY'): SandboxAnswer =>
  json(429, {
    status: 'error',
    message: `You have reached your ${policyName.toLowerCase()} limit.`,
    errorType: 'RATE_LIMIT',
    correlationId: CORRELATION_ID,
    policyName,
  });
