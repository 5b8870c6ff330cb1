import { MAX_ENTRIES, setBounded } from '../../../../sandbox/bounds.ts';
import type { Company } from '../../../../sandbox/company.ts';

export type ObjectType = 'contacts' | 'companies' | 'deals' | 'line_items';

/** A record. Every property is a string or null, as in the API. */
export type CrmObject = {
  readonly id: string;
  readonly properties: Record<string, string | null>;
  readonly createdAt: string;
  updatedAt: string;
  archivedAt?: string;
};

/** An association with another record, with HubSpot's association type ids. */
export type Association = { readonly toId: string; readonly typeIds: readonly number[] };

/** A change of a record or of an association, without what all events have. */
export type Change =
  | { readonly action: 'creation' | 'deletion'; readonly type: ObjectType; readonly id: string }
  | {
      readonly action: 'propertyChange';
      readonly type: ObjectType;
      readonly id: string;
      readonly name: string;
      readonly value: string | null;
    }
  | {
      readonly action: 'associationChange';
      readonly type: ObjectType;
      readonly id: string;
      readonly toType: ObjectType;
      readonly toId: string;
      readonly isRemoved: boolean;
    };

/** Receives the changes of a sandbox. */
export type ReportChange = (change: Change) => void;

export type HubSpotState = {
  readonly objects: Record<ObjectType, Map<string, CrmObject>>;
  readonly archived: Record<ObjectType, Map<string, CrmObject>>;
  /** By `contacts>companies:101`: from type, to type and from id. */
  readonly associations: Map<string, Association[]>;
  /** Returns a new id of an object type. */
  readonly newId: (type: ObjectType) => string;
  /** Adds a new record. Beyond the maximum, removes the oldest one. */
  readonly add: (type: ObjectType, record: CrmObject) => void;
  readonly associate: (from: ObjectType, fromId: string, to: ObjectType, toId: string, isPrimary?: boolean) => void;
  /** Moves a record to the archive, without its associations. An unknown id changes nothing. */
  readonly archive: (type: ObjectType, id: string, at: string) => void;
  /** Reports the changed properties of a record. */
  readonly reportProperties: (type: ObjectType, id: string, properties: CrmObject['properties']) => void;
  /** Removes a record and its associations. */
  readonly remove: (type: ObjectType, id: string) => void;
};

// HubSpot's association type ids. An association with a primary company has two.
export const TYPE_IDS: Readonly<Record<string, readonly number[]>> = {
  'contacts>companies': [1, 279],
  'companies>contacts': [2, 280],
  'contacts>deals': [4],
  'deals>contacts': [3],
  'deals>companies': [5, 341],
  'companies>deals': [6, 342],
  'deals>line_items': [19],
  'line_items>deals': [20],
};

const object = (id: string, createdAt: Date, properties: Record<string, string | null>): CrmObject => {
  const at = createdAt.toISOString();
  return {
    id,
    createdAt: at,
    updatedAt: at,
    properties: { ...properties, hs_object_id: id, createdate: at, hs_lastmodifieddate: at },
  };
};

/**
 * Creates the CRM's data of the company: a fresh copy for each sandbox. Adding a record beyond `maxEntries` of a type removes
 * the oldest. Calls `report` with each change.
 */
export const createState = (
  company: Company,
  maxEntries = MAX_ENTRIES,
  report: ReportChange = () => {},
): HubSpotState => {
  // The company's own data are no changes.
  let isFilled = false;
  const reportChange: ReportChange = (change) => {
    if (isFilled) report(change);
  };
  const reportAssociation = (from: ObjectType, id: string, to: ObjectType, toId: string, isRemoved: boolean): void =>
    reportChange({ action: 'associationChange', type: from, id, toType: to, toId, isRemoved });
  const byId = (objects: CrmObject[]) => new Map(objects.map((one) => [one.id, one]));
  const epoch = new Date(Date.UTC(2023, 0, 9));
  const state: HubSpotState = {
    objects: {
      contacts: byId(
        company.people.map((person) =>
          object(person.id, person.createdAt, {
            email: person.email,
            firstname: person.firstName,
            lastname: person.lastName,
            phone: person.phone,
            lifecyclestage: person.lifecycleStage,
          }),
        ),
      ),
      companies: byId(company.organisations.map(({ id, name, domain }) => object(id, epoch, { name, domain }))),
      deals: byId(
        company.deals.map((deal) =>
          object(deal.id, deal.createdAt, {
            dealname: deal.name,
            dealstage: deal.stage,
            pipeline: 'default',
            amount: deal.amount,
            deal_currency_code: deal.currency,
            closedate: deal.closeDate.toISOString(),
            ...closed(deal.stage),
          }),
        ),
      ),
      line_items: byId(
        company.deals.flatMap((deal) =>
          deal.lineItems.map((line) =>
            object(line.id, deal.createdAt, {
              name: line.name,
              hs_sku: line.sku,
              quantity: line.quantity,
              price: line.unitPrice,
              amount: String(Number(line.quantity) * Number(line.unitPrice)),
              hs_line_item_currency_code: deal.currency,
            }),
          ),
        ),
      ),
    },
    archived: { contacts: new Map(), companies: new Map(), deals: new Map(), line_items: new Map() },
    associations: new Map(),
    newId: (type) => {
      lastIds[type] += 1;
      return String(lastIds[type]);
    },
    add: (type, record) => {
      const records = state.objects[type].set(record.id, record);
      reportChange({ action: 'creation', type, id: record.id });
      state.reportProperties(type, record.id, record.properties);
      const [oldest] = records.keys();
      if (records.size > maxEntries && oldest !== undefined) state.remove(type, oldest);
    },
    associate: (from, fromId, to, toId, isPrimary = true) => {
      for (const [a, aId, b, bId] of [
        [from, fromId, to, toId],
        [to, toId, from, fromId],
      ] as const) {
        const kinds = TYPE_IDS[`${a}>${b}`];
        if (!kinds) continue;
        const typeIds = isPrimary ? kinds : kinds.slice(-1);
        const key = `${a}>${b}:${aId}`;
        const existing = state.associations.get(key) ?? [];
        if (existing.some(({ toId }) => toId === bId)) continue;
        state.associations.set(key, [...existing, { toId: bId, typeIds }]);
        reportAssociation(a, aId, b, bId, false);
      }
    },
    reportProperties: (type, id, properties) => {
      for (const [name, value] of Object.entries(properties)) {
        reportChange({ action: 'propertyChange', type, id, name, value });
      }
    },
    archive: (type, id, at) => {
      const found = state.objects[type].get(id);
      if (!found) return;
      state.remove(type, id);
      setBounded(state.archived[type], id, Object.assign(found, { archivedAt: at }), maxEntries);
    },
    remove: (type, id) => {
      if (state.objects[type].delete(id)) reportChange({ action: 'deletion', type, id });
      for (const [key, links] of state.associations) {
        const [types, fromId] = key.split(':');
        const [from, to] = (types ?? '').split('>');
        const remaining = to === type ? links.filter(({ toId }) => toId !== id) : links;
        if (from === type && fromId === id) state.associations.delete(key);
        else if (remaining.length < links.length) {
          state.associations.set(key, remaining);
          reportAssociation(from as ObjectType, fromId as string, type, id, true);
        }
      }
    },
  };
  const lastIdOf = (type: ObjectType) =>
    [...state.objects[type].keys()].reduce((last, id) => Math.max(last, Number(id)), 0);
  const lastIds: Record<ObjectType, number> = {
    contacts: lastIdOf('contacts'),
    companies: lastIdOf('companies'),
    deals: lastIdOf('deals'),
    line_items: lastIdOf('line_items'),
  };
  for (const person of company.people) {
    if (person.otherOrganisationId) {
      state.associate('contacts', person.id, 'companies', person.otherOrganisationId, false);
    }
    if (person.organisationId) state.associate('contacts', person.id, 'companies', person.organisationId);
  }
  for (const deal of company.deals) {
    state.associate('contacts', deal.personId, 'deals', deal.id);
    if (deal.organisationId) state.associate('deals', deal.id, 'companies', deal.organisationId);
    for (const line of deal.lineItems) state.associate('deals', deal.id, 'line_items', line.id);
  }
  isFilled = true;
  return state;
};

/** Returns the properties that HubSpot derives from a deal's stage. */
export const closed = (stage: string): Record<string, string> => ({
  hs_is_closed: String(stage.startsWith('closed')),
  hs_is_closed_won: String(stage === 'closedwon'),
});
