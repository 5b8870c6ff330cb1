import type { z } from 'zod';
import type { Call, CallOptions } from '../../connectors/chain.ts';
import { isUpstreamError, UpstreamError } from '../../connectors/errors.ts';
import type { HttpConnector } from '../../connectors/http.ts';
import { readPages } from '../../connectors/pages.ts';
import { type Origin, parseAnswer, parseJson } from '../../connectors/parse.ts';
import type { ProviderPage } from '../connection.ts';
import { createAccess } from './access.ts';
import type { HubSpotConfig } from './config.ts';
import {
  type ApiContact,
  type ApiDeal,
  AssociationsAnswer,
  BatchAnswer,
  Created,
  createShapes,
  failuresOf,
  type ObjectType,
  PROPERTIES,
  pageOf,
  RawAnswer,
  type RawRecord,
} from './shapes.ts';

export type { ApiCompany, ApiContact, ApiDeal, ApiLineItem, ApiMoney, ObjectType } from './shapes.ts';

/** Records in one batch read. */
export const MAX_BATCH = 100;

/** Records whose links one call can ask for. */
export const MAX_ASSOCIATIONS = 1_000;

/** A link to another record; `isPrimary` marks the one company that counts. */
export type ApiLink = { readonly id: string; readonly isPrimary: boolean };

export type Filter = { readonly propertyName: string; readonly operator: 'EQ'; readonly value: string };

/** What to list: everything, or what a search finds. */
export type ListQuery = { readonly filters: readonly Filter[]; readonly text?: string | undefined };

/** HubSpot's own names and values. An empty text clears a property. */
export type Properties = Readonly<Record<string, string>>;

type Shapes = ReturnType<typeof createShapes>;
type Shape<Type extends ObjectType> = z.output<Shapes[Type]>;

type Request = CallOptions & {
  readonly method: Call['method'];
  readonly path: string;
  /** The path with `{id}` for the id, where it holds one. */
  readonly template?: string;
  readonly json?: unknown;
  readonly write?: boolean;
};

/**
 * The calls of HubSpot's CRM API that the graph needs. Every call throws UpstreamError.
 * Source: https://developers.hubspot.com/docs/api/crm
 */
export const createHubSpotApi = (http: HttpConnector, config: HubSpotConfig) => {
  const { upstream } = http;
  const access = createAccess(http, config);
  const shapes = createShapes(config.defaultCurrency);

  const ask = async <Schema extends z.ZodType>(schema: Schema, request: Request): Promise<z.output<Schema>> => {
    const { method, path, template = path, json, write = false, ...call } = request;
    const operation = `${method} ${template}`;
    const send = (token: string) =>
      http.send({
        operation,
        method,
        url: `${config.baseUrl}${path}`,
        headers: {
          authorization: `Bearer ${token}`,
          accept: 'application/json',
          ...(json !== undefined && { 'content-type': 'application/json' }),
        },
        body: json === undefined ? undefined : JSON.stringify(json),
        write,
        ...call,
      });
    try {
      const { body } = await access.use(send, call);
      return parseJson(schema, body, { upstream, operation });
    } catch (error) {
      throw withReason(error);
    }
  };

  const readBatch = async <Type extends ObjectType>(
    type: Type,
    ids: readonly string[],
    call: CallOptions,
    idProperty?: string,
  ): Promise<Map<string, Shape<Type> | Error>> => {
    const path = `/crm/v3/objects/${type}/batch/read`;
    const { results, errors } = await ask(BatchAnswer, {
      ...call,
      method: 'POST',
      path,
      json: { inputs: ids.map((id) => ({ id })), properties: PROPERTIES[type], ...(idProperty && { idProperty }) },
    });
    const origin = { upstream, operation: `POST ${path}` };
    const found = new Map<string, Shape<Type> | Error>();
    for (const [id, category] of failuresOf(errors, 'ids')) found.set(id, partOfBatchFailed(origin, category));
    for (const result of results) {
      const key = idProperty ? String(result.properties[idProperty]).toLowerCase() : result.id;
      try {
        found.set(key, parseAnswer(shapes[type], result, origin) as Shape<Type>);
      } catch (error) {
        found.set(key, error as Error);
      }
    }
    return found;
  };

  const list = async <Type extends ObjectType>(
    type: Type,
    { filters, text }: ListQuery,
    { token, limit }: { token: string | undefined; limit: number },
    call: CallOptions,
  ): Promise<ProviderPage<Shape<Type>>> => {
    const page = pageOf(shapes[type]);
    const isSearch = filters.length > 0 || text !== undefined;
    const query = new URLSearchParams({ limit: String(limit), properties: PROPERTIES[type].join(',') });
    if (token !== undefined) query.set('after', token);
    const { results, paging } = isSearch
      ? await ask(page, {
          ...call,
          method: 'POST',
          path: `/crm/v3/objects/${type}/search`,
          json: {
            filterGroups: filters.length > 0 ? [{ filters }] : [],
            ...(text !== undefined && { query: text }),
            // As the list has it: in the order of entry.
            sorts: [{ propertyName: 'hs_object_id', direction: 'ASCENDING' }],
            properties: PROPERTIES[type],
            limit,
            ...(token !== undefined && { after: token }),
          },
        })
      : await ask(page, {
          ...call,
          method: 'GET',
          path: `/crm/v3/objects/${type}?${query}`,
          template: `/crm/v3/objects/${type}`,
        });
    return { items: results as Shape<Type>[], next: paging?.next?.after };
  };

  const readRaw = async (
    type: ObjectType,
    { id, ...wanted }: { id: string; idProperty?: string; properties: readonly string[] },
    call: CallOptions,
  ): Promise<RawRecord | undefined> => {
    const path = `/crm/v3/objects/${type}/batch/read`;
    const json = { inputs: [{ id }], ...wanted };
    return (await ask(RawAnswer, { ...call, method: 'POST', path, json })).results[0];
  };

  const update = (type: ObjectType, id: string, properties: Properties, call: CallOptions) =>
    ask(Created, {
      ...call,
      method: 'PATCH',
      path: `/crm/v3/objects/${type}/${id}`,
      template: `/crm/v3/objects/${type}/{id}`,
      json: { properties },
      write: true,
    });

  return {
    /** Up to 100 records by id. Leaves out the unknown ones; a record that cannot be read is an Error. */
    byIds: <Type extends ObjectType>(type: Type, ids: readonly string[], call: CallOptions) =>
      readBatch(type, ids, call),

    /** Up to 100 contacts by their primary address, by address in lower case. */
    contactsByEmails: (emails: readonly string[], call: CallOptions) => readBatch('contacts', emails, call, 'email'),

    /** What up to 1,000 records are linked to, by id. Leaves out who is linked to nothing; what failed is an Error. */
    links: async (from: ObjectType, to: ObjectType, ids: readonly string[], call: CallOptions) => {
      const found = new Map<string, ApiLink[]>();
      const failed = new Map<string, Error>();
      const path = `/crm/v4/associations/${from}/${to}/batch/read`;
      const origin = { upstream, operation: `POST ${path}` };
      const askPage = async (inputs: readonly { id: string; after?: string }[]) => {
        const { results, errors } = await ask(AssociationsAnswer, { ...call, method: 'POST', path, json: { inputs } });
        for (const [id, category] of failuresOf(errors, 'fromObjectId')) {
          failed.set(id, partOfBatchFailed(origin, category));
        }
        const next: { id: string; after: string }[] = [];
        for (const result of results) {
          const links = result.to.map(({ toObjectId, associationTypes }) => ({
            id: toObjectId,
            isPrimary: associationTypes.some(({ label }) => label === 'Primary'),
          }));
          found.set(result.from.id, [...(found.get(result.from.id) ?? []), ...links]);
          const after = result.paging?.next?.after;
          if (after !== undefined) next.push({ id: result.from.id, after });
        }
        return next.length > 0 ? next : undefined;
      };
      const inputs: readonly { id: string; after?: string }[] = ids.map((id) => ({ id }));
      await readPages(inputs, askPage, origin);
      return new Map<string, ApiLink[] | Error>([...found, ...failed]);
    },

    contacts: (query: ListQuery, page: { token: string | undefined; limit: number }, call: CallOptions) =>
      list('contacts', query, page, call) as Promise<ProviderPage<ApiContact>>,

    deals: (query: ListQuery, page: { token: string | undefined; limit: number }, call: CallOptions) =>
      list('deals', query, page, call) as Promise<ProviderPage<ApiDeal>>,

    /** Gives the new contact's id. Refused with the reason ALREADY_EXISTS where the address is taken. */
    createContact: async (
      properties: Properties,
      companyId: string | undefined,
      call: CallOptions,
    ): Promise<string> => {
      const { id } = await ask(Created, {
        ...call,
        method: 'POST',
        path: '/crm/v3/objects/contacts',
        json: {
          properties,
          // 1: a contact's primary company.
          associations: companyId
            ? [{ to: { id: companyId }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 1 }] }]
            : [],
        },
        write: true,
      });
      return id;
    },

    updateContact: async (id: string, properties: Properties, call: CallOptions): Promise<true> => {
      await update('contacts', id, properties, call);
      return true;
    },

    updateDeal: async (id: string, properties: Properties, call: CallOptions): Promise<true> => {
      await update('deals', id, properties, call);
      return true;
    },

    /** True where the record has all of these values, and undefined where it has not. */
    hasProperties: async (
      type: ObjectType,
      id: string,
      properties: Properties,
      call: CallOptions,
    ): Promise<true | undefined> => {
      const record = await readRaw(type, { id, properties: Object.keys(properties) }, call);
      return record && hasAll(record.properties, properties) ? true : undefined;
    },

    /** The id of the contact with this address, if it was made since then (milliseconds since 1970) and with these values. */
    contactMadeSince: async (since: number, properties: Properties, call: CallOptions): Promise<string | undefined> => {
      const wanted = { id: properties['email'] ?? '', idProperty: 'email', properties: Object.keys(properties) };
      const record = await readRaw('contacts', wanted, call);
      // A minute, for clocks that differ.
      const isNew = record !== undefined && Date.parse(record.createdAt) > since - 60_000;
      return isNew && hasAll(record.properties, properties) ? record.id : undefined;
    },
  };
};

export type HubSpotApi = ReturnType<typeof createHubSpotApi>;

// Numbers and times come back written in another way.
const READ_AS: Readonly<Record<string, (value: string) => number>> = { amount: Number, closedate: Date.parse };

/** Compares as HubSpot stores: nothing and empty text are one. */
const hasAll = (found: RawRecord['properties'], wanted: Properties): boolean =>
  Object.entries(wanted).every(([name, value]) => {
    const text = found[name] ?? '';
    const read = READ_AS[name];
    return text === value || (read !== undefined && text !== '' && value !== '' && read(text) === read(value));
  });

const partOfBatchFailed = ({ upstream, operation }: Origin, category: string): UpstreamError =>
  new UpstreamError('UPSTREAM_UNAVAILABLE', upstream, `${operation} left an input out: ${category}`, { operation });

/** Adds why the provider refused, in our words, by the status that it documents for it. */
const withReason = (error: unknown): unknown => {
  if (!isUpstreamError(error, 'UPSTREAM_REJECTED') || error.details.reason) return error;
  const reason = error.details.status === 409 ? 'ALREADY_EXISTS' : 'INVALID_VALUE';
  return new UpstreamError(error.code, error.upstream, error.message, { ...error.details, reason, cause: error });
};
