import { toAsciiLowerCase } from '../kit/ascii.ts';
import { filterOwn, findOwn, type OwnList, refuseWrite } from '../kit/own.ts';
import type { Context, Customer, Invoice, Payment, PaymentFilter } from './model.ts';

/**
 * Confines the payment system to one customer, by lower-case address: all accounts with that address, including those of
 * payments as a guest, and what is in them.
 */
export const confine = ({ payments }: Context, email: string): Context => {
  const own: Customer = { email };
  const isOwn = (customer: Customer): boolean => customer.email !== null && toAsciiLowerCase(customer.email) === email;
  // A customer without an address has no accounts.
  const ownOrNobody = (customer: Customer): Customer => (isOwn(customer) ? own : { email: null });
  const ownPayments: OwnList<Payment> = {
    subgraph: 'payments',
    name: 'own payments',
    load: (page) => payments.paymentsOf(own, page),
  };
  const ownInvoices: OwnList<Invoice> = {
    subgraph: 'payments',
    name: 'own invoices',
    load: (page) => payments.invoicesOf(own, page),
  };
  return {
    payments: {
      payment: (id) => findOwn(ownPayments, id),
      invoice: (id) => findOwn(ownInvoices, id),
      payments: (filter, page) => filterOwn(ownPayments, (payment) => isIn(filter, payment), page),
      customerOf: (record) => {
        const customer = payments.customerOf(record);
        return customer && isOwn(customer) ? customer : null;
      },
      paymentsOf: (customer, page) => payments.paymentsOf(ownOrNobody(customer), page),
      invoicesOf: (customer, page) => payments.invoicesOf(ownOrNobody(customer), page),
      accounts: (customer) => payments.accounts(ownOrNobody(customer)),
      balances: (customer) => payments.balances(ownOrNobody(customer)),
      createPayment: refuseWrite,
      capturePayment: refuseWrite,
      cancelPayment: refuseWrite,
      refundPayment: refuseWrite,
    },
  };
};

const isIn = ({ status, createdFrom, createdBefore }: PaymentFilter, payment: Payment): boolean => {
  const createdAt = Date.parse(payment.createdAt);
  return (
    (!status || payment.status === status) &&
    (!createdFrom || createdAt >= createdFrom.getTime()) &&
    (!createdBefore || createdAt < createdBefore.getTime())
  );
};
