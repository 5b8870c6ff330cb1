import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { codesOf, operationsOf, type Stack, startStack } from '../helpers/stack.ts';

const company = createCompany();

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

const CREATE = `mutation Create($input: CreatePaymentInput!) {
  createPayment(input: $input) {
    payment { id status amount { amount currency minorUnits } amountReceived { amount } customer { email lastName } }
    clientSecret
  }
}`;
type Created = {
  createPayment: { payment: { id: string; status: string; customer: object }; clientSecret: string } | null;
};

const REFUND = `mutation Refund($input: RefundPaymentInput!) {
  refundPayment(input: $input) {
    refund { id status reason amount { amount currency } }
    payment { id amountRefunded { amount } refunds { id } }
  }
}`;
type Refunded = {
  refundPayment: {
    refund: { id: string; amount: { amount: string } };
    payment: { amountRefunded: { amount: string }; refunds: { id: string }[] };
  } | null;
};

const pay = (more: object) => ({
  customerEmail: 'ada.lindqvist@customers.example',
  amount: { amount: '12.50', currency: 'eur' },
  ...more,
});

describe('createPayment', () => {
  test('given a card, then it is charged, and Stripe receives the idempotency key', async () => {
    const { data, errors } = await stack.ask<Created>(CREATE, {
      input: pay({ paymentMethodId: 'pm_card_visa', idempotencyKey: 'order-1' }),
    });
    expect(errors).toBeUndefined();
    expect(data?.createPayment?.payment).toMatchObject({
      status: 'SUCCEEDED',
      amount: { amount: '12.50', currency: 'EUR', minorUnits: 1250 },
      amountReceived: { amount: '12.50' },
      customer: { email: 'ada.lindqvist@customers.example', lastName: 'Lindqvist' },
    });
    expect(stack.stripe.calls.find(({ operation }) => operation.startsWith('POST'))).toMatchObject({
      operation: 'POST /v1/payment_intents',
      idempotencyKey: 'order-1',
    });
  });

  test('given no card, then the payment requires one, and clientSecret is returned', async () => {
    const { data } = await stack.ask<Created>(CREATE, { input: pay({ idempotencyKey: 'order-2' }) });
    expect(data?.createPayment?.payment.status).toBe('REQUIRES_PAYMENT_METHOD');
    expect(data?.createPayment?.clientSecret).toContain('_secret_');
  });

  test('given the same key and input twice, then there is one payment', async () => {
    const input = pay({ paymentMethodId: 'pm_card_visa', idempotencyKey: 'order-3' });
    const [first, second] = [await stack.ask<Created>(CREATE, { input }), await stack.ask<Created>(CREATE, { input })];
    expect(second.data?.createPayment?.payment.id).toBe(first.data?.createPayment?.payment.id);
    expect(second.data).toEqual(first.data);
  });

  test('given the same key with other input, then it is rejected', async () => {
    await stack.ask<Created>(CREATE, { input: pay({ idempotencyKey: 'order-4' }) });
    const { errors } = await stack.ask<Created>(CREATE, {
      input: pay({ idempotencyKey: 'order-4', description: 'something else' }),
    });
    expect(codesOf(errors)).toEqual([['UPSTREAM_REJECTED', 'IDEMPOTENCY_KEY_REUSED']]);
  });

  test('given a lost response, then the request is repeated with its key, and there is one payment', async () => {
    const before = await paymentCount();
    const input = pay({ paymentMethodId: 'pm_card_visa', idempotencyKey: 'order-lost' });
    stack.stripe.fail({ on: 'POST /v1/payment_intents', drop: 'after', times: 1 });
    const { data, errors } = await stack.ask<Created>(CREATE, { input });
    expect(errors).toBeUndefined();
    expect(data?.createPayment?.payment.status).toBe('SUCCEEDED');
    expect(await paymentCount()).toBe((before ?? 0) + 1);
  });

  test('given only lost responses, when the client retries with its key, then there is one payment', async () => {
    const input = pay({ paymentMethodId: 'pm_card_visa', idempotencyKey: 'order-5' });
    stack.stripe.fail({ on: 'POST /v1/payment_intents', drop: 'after', times: 3 });
    const lost = await stack.ask<Created>(CREATE, { input });
    expect(codesOf(lost.errors)).toEqual([['UPSTREAM_OUTCOME_UNKNOWN', undefined]]);
    const before = await paymentCount();
    const again = await stack.ask<Created>(CREATE, { input });
    expect(again.data?.createPayment?.payment.status).toBe('SUCCEEDED');
    expect(await paymentCount()).toBe(before);
  });

  test('given no Stripe customer, then one is created, once, and the payment is found immediately', async () => {
    const behind = await startStack({ stripe: { searchLagMs: 60_000 } });
    const noAccount = company.people.find(
      ({ email }) => email && !company.accounts.some((account) => account.email?.toLowerCase() === email),
    );
    const input = pay({ customerEmail: noAccount?.email, idempotencyKey: 'first-order' });
    const first = await behind.ask<Created>(CREATE, { input });
    const second = await behind.ask<Created>(CREATE, { input });
    expect(first.errors).toBeUndefined();
    expect(second.data?.createPayment?.payment.id).toBe(first.data?.createPayment?.payment.id);
    const accounts = behind.stripe.calls.filter(({ operation }) => operation === 'POST /v1/customers');
    expect(accounts.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['first-order:account']);
    const found = await behind.ask<{ customer: { payments: { edges: { node: { id: string } }[] } } }>(
      `{ customer(email: "${noAccount?.email}") { payments { edges { node { id } } } } }`,
    );
    expect(found.data?.customer.payments.edges.map(({ node }) => node.id)).toEqual([
      first.data?.createPayment?.payment.id,
    ]);
    await behind.close();
  });

  test.each([
    ['pm_card_chargeDeclined', 'CARD_DECLINED'],
    ['pm_card_chargeDeclinedInsufficientFunds', 'INSUFFICIENT_FUNDS'],
    ['pm_card_chargeDeclinedExpiredCard', 'CARD_EXPIRED'],
    ['pm_card_unheard_of', 'NOT_FOUND'],
  ])('given the card %s, then it is rejected with %s', async (paymentMethodId, reason) => {
    const { data, errors, text } = await stack.ask<Created>(CREATE, {
      input: pay({ paymentMethodId, idempotencyKey: `card-${paymentMethodId}` }),
    });
    expect(data).toEqual({ createPayment: null });
    expect(codesOf(errors)).toEqual([['UPSTREAM_REJECTED', reason]]);
    expect(text).not.toContain('Your card');
  });

  test.each([
    ['0.49', '0.50', 'EUR'],
    ['2.99', '3', 'SEK'],
    ['49', '50', 'JPY'],
    ['0.17', '0.18', 'KWD'],
  ])('given %s with a minimum of %s %s, then it is rejected with AMOUNT_TOO_SMALL', async (less, least, currency) => {
    const before = await paymentCount();
    const input = (amount: string) =>
      pay({
        amount: { amount, currency },
        paymentMethodId: 'pm_card_visa',
        idempotencyKey: `least-${amount}-${currency}`,
      });
    const { data, errors } = await stack.ask<Created>(CREATE, { input: input(less) });
    expect(data).toEqual({ createPayment: null });
    expect(codesOf(errors)).toEqual([['UPSTREAM_REJECTED', 'AMOUNT_TOO_SMALL']]);
    expect(await paymentCount()).toBe(before);
    const enough = await stack.ask<Created>(CREATE, { input: input(least) });
    expect(enough.data?.createPayment?.payment.status).toBe('SUCCEEDED');
  });

  test('given an amount rejected for an unknown reason, then the error has no reason', async () => {
    const input = pay({ amount: { amount: '1.255', currency: 'KWD' }, idempotencyKey: 'thousandth' });
    expect(codesOf((await stack.ask<Created>(CREATE, { input })).errors)).toEqual([['UPSTREAM_REJECTED', undefined]]);
  });

  const paymentCount = async () => {
    const { data } = await stack.ask<{ customer: { payments: { edges: object[] } } }>(
      '{ customer(email: "ada.lindqvist@customers.example") { payments(first: 100) { edges { cursor } } } }',
    );
    return data?.customer.payments.edges.length;
  };
});

describe('capturePayment and cancelPayment', () => {
  const authorise = async (idempotencyKey: string) => {
    const { data } = await stack.ask<Created>(CREATE, {
      input: pay({ paymentMethodId: 'pm_card_visa', captureMethod: 'MANUAL', idempotencyKey }),
    });
    expect(data?.createPayment?.payment.status).toBe('REQUIRES_CAPTURE');
    return data?.createPayment?.payment.id ?? '';
  };
  const CAPTURE = `mutation Capture($input: CapturePaymentInput!) {
    capturePayment(input: $input) { payment { status amountReceived { amount } } }
  }`;
  const CANCEL = `mutation Cancel($input: CancelPaymentInput!) { cancelPayment(input: $input) { payment { status } } }`;

  test('given an authorized payment, then it can be captured in part', async () => {
    const paymentId = await authorise('auth-1');
    const { data } = await stack.ask(CAPTURE, {
      input: { paymentId, amount: { amount: '10', currency: 'EUR' }, idempotencyKey: 'capture-1' },
    });
    expect(data).toEqual({
      capturePayment: { payment: { status: 'SUCCEEDED', amountReceived: { amount: '10.00' } } },
    });
  });

  test('given more than the authorized amount, or a second capture, then it is rejected', async () => {
    const paymentId = await authorise('auth-2');
    const tooMuch = { paymentId, amount: { amount: '99', currency: 'EUR' }, idempotencyKey: 'capture-2' };
    expect(codesOf((await stack.ask(CAPTURE, { input: tooMuch })).errors)).toEqual([
      ['UPSTREAM_REJECTED', 'AMOUNT_TOO_LARGE'],
    ]);
    await stack.ask(CAPTURE, { input: { paymentId, idempotencyKey: 'capture-3' } });
    expect(codesOf((await stack.ask(CAPTURE, { input: { paymentId, idempotencyKey: 'capture-4' } })).errors)).toEqual([
      ['UPSTREAM_REJECTED', 'WRONG_STATE'],
    ]);
  });

  test('given an authorized payment, then it can be canceled', async () => {
    const paymentId = await authorise('auth-3');
    const input = { paymentId, reason: 'ABANDONED', idempotencyKey: 'cancel-1' };
    expect((await stack.ask(CANCEL, { input })).data).toEqual({ cancelPayment: { payment: { status: 'CANCELED' } } });
  });

  test('given a payment that does not exist, then UPSTREAM_NOT_FOUND', async () => {
    const input = { paymentId: 'pi_3nothing', idempotencyKey: 'cancel-2' };
    expect(codesOf((await stack.ask(CANCEL, { input })).errors)).toEqual([['UPSTREAM_NOT_FOUND', 'NOT_FOUND']]);
  });
});

describe('refundPayment', () => {
  const paid = company.accounts
    .flatMap((account) => account.payments.map((payment) => ({ ...payment, currency: account.currency })))
    .filter(({ status, refunds, currency }) => status === 'succeeded' && refunds.length === 0 && currency === 'kwd');
  const [payment, other] = paid;

  test('given a partial amount, then it is refunded, and Stripe receives the idempotency key', async () => {
    const input = {
      paymentId: payment?.id,
      amount: { amount: '1.250', currency: 'KWD' },
      reason: 'REQUESTED_BY_CUSTOMER',
      idempotencyKey: 'refund-1',
    };
    const { data, errors } = await stack.ask<Refunded>(REFUND, { input });
    expect(errors).toBeUndefined();
    expect(data?.refundPayment).toMatchObject({
      refund: { status: 'SUCCEEDED', reason: 'REQUESTED_BY_CUSTOMER', amount: { amount: '1.250', currency: 'KWD' } },
      payment: { amountRefunded: { amount: '1.250' }, refunds: [{ id: data?.refundPayment?.refund.id }] },
    });
    expect(operationsOf(stack.stripe)).toEqual(['GET /v1/payment_intents/{id}', 'POST /v1/refunds']);
    expect(stack.stripe.calls.at(-1)?.idempotencyKey).toBe('refund-1');
    const again = await stack.ask<Refunded>(REFUND, { input });
    expect(again.data?.refundPayment?.refund.id).toBe(data?.refundPayment?.refund.id);
  });

  test('given no amount, then the rest is refunded in one call, and a further refund is rejected', async () => {
    const all = await stack.ask<Refunded>(REFUND, { input: { paymentId: other?.id, idempotencyKey: 'refund-2' } });
    expect(Number(all.data?.refundPayment?.refund.amount.amount) * 1000).toBeCloseTo(other?.amount ?? 0);
    expect(operationsOf(stack.stripe)).toEqual(['POST /v1/refunds']);
    const more = await stack.ask<Refunded>(REFUND, { input: { paymentId: other?.id, idempotencyKey: 'refund-3' } });
    expect(codesOf(more.errors)).toEqual([['UPSTREAM_REJECTED', 'ALREADY_REFUNDED']]);
  });

  test('given a currency other than the payment’s, then nothing is refunded', async () => {
    const input = {
      paymentId: payment?.id,
      amount: { amount: '1', currency: 'JPY' },
      idempotencyKey: 'refund-4',
    };
    const { errors } = await stack.ask<Refunded>(REFUND, { input });
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.amount.currency' });
    expect(operationsOf(stack.stripe)).toEqual(['GET /v1/payment_intents/{id}']);
  });

  test('given more than was paid, then it is rejected', async () => {
    const input = {
      paymentId: payment?.id,
      amount: { amount: '900000', currency: 'KWD' },
      idempotencyKey: 'refund-5',
    };
    expect(codesOf((await stack.ask<Refunded>(REFUND, { input })).errors)).toEqual([
      ['UPSTREAM_REJECTED', 'AMOUNT_TOO_LARGE'],
    ]);
  });

  test('given fields that are read after the refund, then they reflect it', async () => {
    const third = paid[2];
    const { data } = await stack.ask<{ refundPayment: { payment: { customer: { payments: object } } } }>(`mutation {
      refundPayment(input: { paymentId: "${third?.id}", idempotencyKey: "refund-6" }) {
        payment { status customer { payments(first: 100) { edges { node { id amountRefunded { minorUnits } } } } } }
      }
    }`);
    expect(data?.refundPayment.payment.customer.payments).toMatchObject({
      edges: expect.arrayContaining([{ node: { id: third?.id, amountRefunded: { minorUnits: third?.amount } } }]),
    });
  });
});
