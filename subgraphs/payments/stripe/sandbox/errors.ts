import type Stripe from 'stripe';
import type { SandboxResponse } from '../../../../sandbox/server.ts';

export type StripeErrorBody = {
  readonly type: 'invalid_request_error' | 'card_error' | 'idempotency_error' | 'api_error';
  readonly message: string;
  readonly code?: string;
  readonly decline_code?: string;
  readonly param?: string;
  /** The failed charge, and its payment. */
  readonly charge?: string;
  readonly payment_intent?: Stripe.PaymentIntent;
};

/** An error with the response body `{"error": {...}}`. */
export class StripeError extends Error {
  override readonly name = 'StripeError';
  readonly status: number;
  readonly body: StripeErrorBody;

  constructor(status: number, body: StripeErrorBody) {
    super(body.message);
    this.status = status;
    this.body = body;
  }

  toResponse(): SandboxResponse {
    return json(this.status, { error: { ...this.body, ...documentationOf(this.body) } });
  }
}

const documentationOf = ({ code }: StripeErrorBody): { readonly doc_url?: string } =>
  code ? { doc_url: `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}` } : {};

/** Creates a response with a JSON body. */
export const json = (status: number, body: unknown): SandboxResponse => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

/** 400: a parameter is invalid. */
export const invalid = (message: string, more: Pick<StripeErrorBody, 'code' | 'param'> = {}): StripeError =>
  new StripeError(400, { type: 'invalid_request_error', message, ...more });

/** Whether a request was rejected because of its parameters, before it was carried out. */
export const isValidationError = ({ body }: StripeError): boolean => body.code?.startsWith('parameter') === true;

/** The object does not exist: 404 for the requested one, 400 for one that a parameter names. */
export const missing = (what: string, id: string, status: 400 | 404, param = 'id'): StripeError =>
  new StripeError(status, {
    type: 'invalid_request_error',
    code: 'resource_missing',
    message: `No such ${what}: '${id}'`,
    param,
  });
