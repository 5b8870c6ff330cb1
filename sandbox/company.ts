import { createRandom, type Random } from './random.ts';

/**
 * Sample data: one small wholesale company with its customers and deals (CRM), their accounts and payments (payment
 * provider) and its goods (shop). The same people and goods appear in all three systems, with realistic irregularities:
 * see `person`, `accountsOf` and `lineItemsOf`.
 */
export type Company = {
  readonly organisations: readonly Organisation[];
  readonly people: readonly Person[];
  readonly deals: readonly Deal[];
  readonly products: readonly Product[];
  readonly accounts: readonly Account[];
};

export type Organisation = { readonly id: string; readonly name: string; readonly domain: string | null };

export type Person = {
  readonly id: string;
  readonly email: string | null;
  readonly firstName: string;
  readonly lastName: string;
  readonly phone: string | null;
  readonly lifecycleStage: string;
  readonly organisationId: string | null;
  /** A second company, for people who work for two. */
  readonly otherOrganisationId: string | null;
  readonly currency: string;
  readonly createdAt: Date;
};

export type Deal = {
  readonly id: string;
  readonly name: string;
  readonly stage: string;
  /** A decimal in major units, as in a CRM; null if not filled in. */
  readonly amount: string | null;
  readonly currency: string;
  readonly closeDate: Date;
  readonly createdAt: Date;
  readonly personId: string;
  readonly organisationId: string | null;
  readonly lineItems: readonly LineItem[];
};

export type LineItem = {
  readonly id: string;
  readonly sku: string | null;
  readonly name: string;
  readonly quantity: string;
  readonly unitPrice: string;
};

export type Product = { readonly id: string; readonly sku: string; readonly name: string; readonly quantity: number };

export type Account = {
  readonly id: string;
  readonly email: string | null;
  readonly name: string;
  readonly currency: string;
  /** In minor units; negative if the company owes the customer. */
  readonly balance: number;
  readonly createdAt: Date;
  readonly payments: readonly Payment[];
  readonly invoices: readonly Invoice[];
};

export type Payment = {
  readonly id: string;
  readonly chargeId: string;
  readonly amount: number;
  readonly status: 'succeeded' | 'requires_payment_method' | 'requires_capture' | 'canceled' | 'processing';
  readonly description: string;
  readonly createdAt: Date;
  readonly refunds: readonly Refund[];
};

export type Refund = { readonly id: string; readonly amount: number; readonly createdAt: Date };

export type Invoice = {
  readonly id: string;
  readonly number: string;
  readonly total: number;
  readonly status: 'paid' | 'open' | 'void';
  readonly createdAt: Date;
  readonly dueDate: Date;
};

const DAY_MS = 86_400_000;
const TODAY = Date.UTC(2026, 10, 1, 9, 30);
const daysAgo = (days: number): Date => new Date(TODAY - days * DAY_MS);

// biome-ignore format: more readable in rows
const FIRST_NAMES = [
  'Ada', 'Björn', 'Chloé', 'Dilnoza', 'Ewa', 'Farid', 'Göran', 'Hana', 'Íris', 'João', 'Keiko', 'Łukasz', 'Mariam',
  'Núria', 'Oluwaseun', 'Përparim', 'Quỳnh', 'Ramón', 'Siobhán', 'Tomáš', 'Ülkü', 'Vasilisa', 'Wenjie', 'Yasmin', 'Zoë',
] as const;
// biome-ignore format: more readable in rows
const LAST_NAMES = [
  'Lindqvist', 'Ångström', 'Brontë', 'Castañeda', "D'Angelo", 'Eriksen', 'Fernández', 'Grönholm', 'Haddad', 'Ivanova',
  'Jørgensen', 'Kowalczyk', 'Lefèvre', 'Müller', 'Nakamura', "O'Brien", 'Petrović', 'Rossi', 'Şahin', 'van der Berg',
] as const;
const TRADES = ['Joinery', 'Roofing', 'Marine', 'Gardens', 'Kitchens', 'Scaffolding', 'Tiling', 'Cycles'] as const;
const PLACES = ['Uppsala', 'Bergen', 'Porto', 'Gdańsk', 'Zürich', 'Osaka', 'Kuwait City', 'Québec'] as const;
const MATERIALS = ['Oak', 'Brass', 'Steel', 'Linen', 'Copper', 'Birch', 'Nylon', 'Slate', 'Felt', 'Zinc'] as const;
const GOODS = ['Bracket', 'Hinge', 'Dowel', 'Anchor', 'Clamp', 'Hook', 'Panel', 'Rail', 'Knob', 'Washer'] as const;
const SIZES = ['XS', 'S', 'M', 'L', 'XL'] as const;
const LIFECYCLE_STAGES = ['customer', 'customer', 'customer', 'lead', 'opportunity', 'subscriber'] as const;
const DEAL_STAGES = [
  'appointmentscheduled',
  'qualifiedtobuy',
  'contractsent',
  'closedwon',
  'closedwon',
  'closedlost',
] as const;
const PAYMENT_STATUSES = [
  'succeeded',
  'succeeded',
  'succeeded',
  'succeeded',
  'requires_payment_method',
  'canceled',
] as const;

const ORGANISATIONS = 44;
const PEOPLE = 240;
const DEALS = 320;

let company: Company | undefined;

/** Returns the company, which is always the same. Sandboxes keep copies of what they change. */
export const createCompany = (): Company => {
  company ??= buildCompany();
  return company;
};

const buildCompany = (): Company => {
  const random = createRandom(1848);
  const products = createProducts(random);
  const organisations = createOrganisations();
  const people = Array.from({ length: PEOPLE }, (_, index) => person(index, organisations, random));
  const deals = Array.from({ length: DEALS }, (_, index) => deal(index, people, products, random));
  const accounts = people.flatMap((owner, index) => accountsOf(owner, index, random));
  return { organisations, people, deals, products, accounts };
};

const createProducts = (random: Random): Product[] =>
  MATERIALS.flatMap((material, m) =>
    GOODS.flatMap((good, g) =>
      SIZES.map((size, s) => ({
        id: String(1001 + m * 50 + g * 5 + s),
        sku: `${material.slice(0, 2)}${good.slice(0, 2)}-${size}`.toUpperCase(),
        name: `${material} ${good.toLowerCase()}, ${size}`,
        // Every tenth product is sold out, and every other of those has a negative stock.
        quantity: (m + g + s) % 10 === 0 ? -(g % 2) * random.int(1, 8) : random.int(1, 400),
      })),
    ),
  );

const createOrganisations = (): Organisation[] =>
  Array.from({ length: ORGANISATIONS }, (_, index) => {
    const trade = TRADES[index % TRADES.length] ?? TRADES[0];
    const place = PLACES[Math.floor(index / TRADES.length + index) % PLACES.length] ?? PLACES[0];
    const name = index === 11 ? `${place} ${trade} 🌿` : `${place} ${trade}`;
    const domain = `${place}-${trade}-${index}`
      .normalize('NFD')
      .replace(/[^a-z0-9-]/gi, '')
      .toLowerCase();
    return { id: String(9001 + index), name, domain: index % 20 === 19 ? null : `${domain}.example` };
  });

const person = (index: number, organisations: readonly Organisation[], random: Random): Person => {
  const firstName = FIRST_NAMES[index % FIRST_NAMES.length] ?? 'Ada';
  const lastName = LAST_NAMES[Math.floor(index / FIRST_NAMES.length + index) % LAST_NAMES.length] ?? 'Lindqvist';
  const mailbox = `${firstName}.${lastName}`
    .normalize('NFD')
    .replace(/[^a-z.]/gi, '')
    .toLowerCase();
  const repeated = index < FIRST_NAMES.length * LAST_NAMES.length && index >= 100 ? `.${index}` : '';
  return {
    id: String(101 + index),
    // Some customers have only a phone number.
    email: index % 80 === 79 ? null : `${mailbox}${repeated}@customers.example`,
    firstName: index === 24 ? 'Zoë 🌻' : firstName,
    lastName,
    phone: index % 7 === 6 ? null : `+4670${String(1_000_000 + index * 7919).slice(-7)}`,
    // The names of custom lifecycle stages are numbers.
    lifecycleStage: index % 60 === 59 ? '71240313' : index === 0 ? 'customer' : random.pick(LIFECYCLE_STAGES),
    organisationId: index % 15 === 14 ? null : (organisations[index % organisations.length]?.id ?? null),
    otherOrganisationId: index % 30 === 20 ? (organisations[(index + 7) % organisations.length]?.id ?? null) : null,
    currency: index % 25 === 10 ? 'jpy' : index % 25 === 12 ? 'kwd' : index % 3 === 0 ? 'sek' : 'eur',
    createdAt: daysAgo(900 - index * 3),
  };
};

const deal = (index: number, people: readonly Person[], products: readonly Product[], random: Random): Deal => {
  // Every fiftieth deal belongs to the first customer, who then has enough of them to page through.
  const owner = people[index % 50 === 25 ? 0 : (index * 7) % people.length] as Person;
  const lineItems = lineItemsOf(index, products, random);
  return {
    id: String(50_001 + index),
    name: `${owner.lastName}: ${random.pick(['fit-out', 'spring order', 'reorder', 'showroom', 'spare parts'])}`,
    stage: random.pick(DEAL_STAGES),
    amount: index % 16 === 15 ? null : sumOf(lineItems),
    currency: owner.currency.toUpperCase(),
    closeDate: daysAgo(random.int(-60, 400)),
    createdAt: daysAgo(random.int(401, 600)),
    personId: owner.id,
    organisationId: owner.organisationId,
    lineItems,
  };
};

const lineItemsOf = (dealIndex: number, products: readonly Product[], random: Random): LineItem[] =>
  Array.from({ length: (dealIndex + 2) % 5 }, (_, index) => {
    const product = random.pick(products as readonly [Product, ...Product[]]);
    // Some old deals contain products that the shop no longer has; some line items are free text without a SKU.
    const gone = dealIndex % 40 === 1 && index === 0;
    const freeText = dealIndex % 25 === 2 && index === 1;
    return {
      id: String(700_001 + dealIndex * 10 + index),
      sku: freeText ? null : gone ? `GONE-${dealIndex}` : product.sku,
      name: freeText ? 'Delivery and assembly' : gone ? 'Discontinued fitting' : product.name,
      quantity: String(random.int(1, 24)),
      unitPrice: String(random.int(2, 180)),
    };
  });

const sumOf = (lineItems: readonly LineItem[]): string =>
  String(lineItems.reduce((sum, line) => sum + Number(line.quantity) * Number(line.unitPrice), 0) || 250);

const accountsOf = (owner: Person, index: number, random: Random): Account[] => {
  // Some customers have never paid by card; some have paid as a guest and have two accounts.
  if (index % 9 === 8) return [];
  const count = index % 17 === 5 ? 2 : 1;
  return Array.from({ length: count }, (_, nth) => ({
    id: `cus_${random.token(14)}`,
    // Some accounts have capitals in the address. The CRM stores addresses in lower case.
    email: index % 12 === 7 ? (owner.email?.replace(/^./, (first) => first.toUpperCase()) ?? null) : owner.email,
    name: `${owner.firstName} ${owner.lastName}`,
    currency: owner.currency,
    balance: index % 6 === 0 ? random.int(-40, 90) * 100 : 0,
    createdAt: new Date(owner.createdAt.getTime() + (1 + nth * 30) * DAY_MS),
    payments: Array.from({ length: random.int(3, 7) }, (_, payment) => paymentOf(owner, index, payment, random)),
    invoices: Array.from({ length: index % 3 }, (_, invoice) => invoiceOf(index, nth, invoice, random)),
  }));
};

const paymentOf = (owner: Person, index: number, nth: number, random: Random): Payment => {
  const whole = random.int(8, 900);
  const amount = owner.currency === 'jpy' ? whole * 100 : owner.currency === 'kwd' ? whole * 500 : whole * 95;
  const createdAt = daysAgo(300 - nth * 37 - (index % 30));
  const status =
    nth === 0 ? 'succeeded' : nth === 3 && index % 10 === 0 ? 'requires_capture' : random.pick(PAYMENT_STATUSES);
  return {
    id: `pi_3${random.token(23)}`,
    chargeId: `ch_3${random.token(23)}`,
    amount,
    status,
    description: `Order ${20_000 + index * 10 + nth}`,
    createdAt,
    refunds: nth === 0 && index % 4 === 0 ? refundsOf(amount, index, createdAt, random) : [],
  };
};

/** One partial refund, two partial refunds, or a full refund. */
const refundsOf = (amount: number, index: number, paidAt: Date, random: Random): Refund[] => {
  const part = Math.floor(amount / 4);
  const amounts = index % 3 === 0 ? [part] : index % 3 === 1 ? [part, part] : [amount];
  return amounts.map((refunded, nth) => ({
    id: `re_3${random.token(23)}`,
    amount: refunded,
    createdAt: new Date(paidAt.getTime() + (nth + 3) * DAY_MS),
  }));
};

const invoiceOf = (index: number, account: number, nth: number, random: Random): Invoice => {
  const createdAt = daysAgo(200 - nth * 60);
  return {
    id: `in_1${random.token(23)}`,
    number: `TRB-${String(1000 + index)}-${account}${nth}`,
    total: random.int(20, 700) * 100,
    status: nth === 0 ? 'paid' : random.pick(['open', 'void']),
    createdAt,
    dueDate: new Date(createdAt.getTime() + 30 * DAY_MS),
  };
};
