/** The names of Stripe's operations in errors, limits and call statistics. */
export type StripeOperation =
  | 'GET /v1/customers'
  | 'GET /v1/customers/search'
  | 'POST /v1/customers'
  | 'GET /v1/payment_intents'
  | 'GET /v1/payment_intents/search'
  | 'GET /v1/payment_intents/{id}'
  | 'POST /v1/payment_intents'
  | 'POST /v1/payment_intents/{id}/capture'
  | 'POST /v1/payment_intents/{id}/cancel'
  | 'GET /v1/refunds'
  | 'POST /v1/refunds'
  | 'GET /v1/invoices'
  | 'GET /v1/invoices/{id}';
