import { z } from 'zod';
import { isUpstreamError, UpstreamError } from '../../../connectors/errors.ts';
import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import { isUnusable, itemOrError, parseItem, toItemError, type Unusable } from '../../../connectors/reads/items.ts';
import { readPages } from '../../../connectors/reads/paginate.ts';
import { operation } from '../../../connectors/reads/read.ts';
import type { HttpConnector } from '../../../connectors/transports/http.ts';
import { type Origin, parseJson, unusableResponse } from '../../../connectors/transports/parse.ts';
import { toAsciiLowerCase } from '../../kit/ascii.ts';
import type { ProviderPage } from '../../kit/connection.ts';
import { type Access, createAccessToken } from './access.ts';
import { createEndpoints, type Endpoint, type RecordType } from './endpoints.ts';
import {
  type ApiAssociation,
  type ApiContact,
  AssociationLink,
  AssociationsOwner,
  AssociationsPage,
  type BatchFailures,
  BatchResult,
  createShapes,
  failuresOf,
  type ObjectType,
  PageAnswer,
  PROPERTIES,
  RawRecord,
} from './wire-types.ts';
import type { Written } from './written.ts';

/** Records in one batch read. */
export const MAX_BATCH = 100;

/** Records whose links one call can ask for. */
export const MAX_ASSOCIATIONS = 1_000;

export type Filter = { readonly propertyName: string; readonly operator: 'EQ'; readonly value: string };

/** What to list: everything, or what a search finds. */
export type ListQuery = { readonly filters: readonly Filter[]; readonly text?: string | undefined };

/** A page of a list: what it lists, and which page. */
export type ListPage = {
  readonly query: ListQuery;
  readonly page: { readonly token: string | undefined; readonly limit: number };
};

/** HubSpot's own names and values. An empty text clears a property. */
export type Properties = Readonly<Record<string, string>>;

type Shapes = ReturnType<typeof createShapes>;
type Shape<Type extends ObjectType> = z.output<Shapes[Type]>;

type Request = RequestOptions & {
  readonly endpoint: Endpoint;
  readonly query?: URLSearchParams;
  readonly json?: unknown;
  readonly write?: boolean;
};

export type HubSpotOptions = {
  readonly access: Access;
  readonly baseUrl: string;
  /** A dated version of the API, e.g. `2026-09`. */
  readonly apiVersion: string;
  /** For amounts that name no currency. */
  readonly defaultCurrency: string | undefined;
};

/**
 * The calls of HubSpot's CRM API that the graph needs. Every call throws UpstreamError.
 * Requests have all that HubSpot's OpenAPI documents require of them, also where HubSpot has a default for it.
 */
export const createHubSpotApi = (http: HttpConnector, config: HubSpotOptions) => {
  const { upstream } = http;
  const endpoints = createEndpoints(config.apiVersion);
  const access = createAccessToken(http, config, endpoints.token);
  const shapes = createShapes(config.defaultCurrency);

  const ask = async <Schema extends z.ZodType>(schema: Schema, request: Request): Promise<z.output<Schema>> => {
    const { endpoint, query, json, write = false, ...options } = request;
    const { method, path, operation } = endpoint;
    const send = (token: string) =>
      http.send({
        operation,
        method,
        url: `${config.baseUrl}${path}${query ? `?${query}` : ''}`,
        headers: {
          authorization: `Bearer ${token}`,
          accept: 'application/json',
          ...(json !== undefined && { 'content-type': 'application/json' }),
        },
        body: json === undefined ? undefined : JSON.stringify(json),
        write,
        ...options,
      });
    try {
      const { body } = await access.use(send, options);
      return parseJson(schema, body, { upstream, operation, write });
    } catch (error) {
      throw withReason(error);
    }
  };

  const readBatch = async <Type extends ObjectType>(
    type: Type,
    ids: readonly string[],
    options: RequestOptions,
    idProperty?: string,
  ): Promise<Map<string, Shape<Type> | Error>> => {
    const endpoint = endpoints.batchRead(type);
    const { results, errors } = await ask(BatchResult, {
      ...options,
      endpoint,
      json: toBatchRead(type, ids, idProperty),
    });
    const origin = { upstream, operation: endpoint.operation };
    const found = new Map<string, Shape<Type> | Error>();
    let isWhole = true;
    for (const result of results) {
      const key = idProperty ? emailOf(result) : idOf(result);
      if (key === undefined) isWhole = false;
      else found.set(key, itemOrError(upstream, parseItem(shapes[type], result, endpoint.operation)) as Shape<Type>);
    }
    addFailures(found, ids, failuresOf(errors ?? [], 'ids'), isWhole, origin);
    return found;
  };

  const listEndpoint = (type: RecordType, query: ListQuery): Endpoint =>
    isSearched(query) ? endpoints.search(type) : endpoints.list(type);

  const list = async <Type extends RecordType>(
    type: Type,
    { query: { filters, text }, page: { token, limit } }: ListPage,
    options: RequestOptions,
  ): Promise<ProviderPage<Shape<Type> | Unusable>> => {
    const isSearch = isSearched({ filters, text });
    const endpoint = listEndpoint(type, { filters, text });
    const query = new URLSearchParams({ limit: String(limit), properties: PROPERTIES[type].join(',') });
    if (token !== undefined) query.set('after', token);
    const json = {
      filterGroups: filters.length > 0 ? [{ filters }] : [],
      ...(text !== undefined && { query: text }),
      // Ascending, as the list has it: in the order of entry.
      sorts: ['hs_object_id'],
      properties: PROPERTIES[type],
      limit,
      after: token ?? FIRST_PAGE,
    };
    const { results, paging } = await ask(PageAnswer, { ...options, endpoint, ...(isSearch ? { json } : { query }) });
    const items = results.map(
      (result) => parseItem(shapes[type], result, endpoint.operation) as Shape<Type> | Unusable,
    );
    return { items, next: paging?.next?.after };
  };

  const readRaw = async (
    type: ObjectType,
    input: { id: string; idProperty?: string },
    options: RequestOptions,
  ): Promise<RawRecord | undefined> => {
    const json = toBatchRead(type, [input.id], input.idProperty);
    const { results } = await ask(BatchResult, { ...options, endpoint: endpoints.batchRead(type), json });
    return RawRecord.safeParse(results[0]).data;
  };

  /** What a write answers of a record. A property of an unexpected kind is one that it does not have. */
  const toWritten = <Type extends ObjectType>(
    type: Type,
    { id, createdAt, properties: raw }: RawRecord,
  ): Written<Shape<Type>> => {
    const properties = Object.fromEntries(
      PROPERTIES[type].flatMap((name) => {
        const value = Object.hasOwn(raw, name) ? raw[name] : undefined;
        return typeof value === 'string' || value === null ? [[name, value]] : [];
      }),
    );
    // An amount says nothing without the deal's own currency.
    if (type === 'deals' && !Object.hasOwn(properties, 'deal_currency_code')) delete properties['amount'];
    const parsed = shapes[type].safeParse({ id, createdAt, properties });
    const has = new Set(parsed.success ? Object.keys(properties) : []);
    const record = parsed.success ? parsed.data : shapes[type].parse({ id, createdAt, properties: {} });
    return { record: record as Shape<Type>, has, isWhole: has.size === PROPERTIES[type].length };
  };

  const update = async <Type extends RecordType>(
    type: Type,
    id: string,
    properties: Properties,
    options: RequestOptions,
  ): Promise<Written<Shape<Type>>> => {
    const answer = await ask(RawRecord, {
      ...options,
      endpoint: endpoints.update(type, id),
      json: { properties },
      write: true,
    });
    return toWritten(type, answer);
  };

  /** The record where it has all of these values, and undefined where it has not. */
  const recordWith = async <Type extends ObjectType>(
    type: Type,
    id: string,
    properties: Properties,
    options: RequestOptions,
  ): Promise<Written<Shape<Type>> | undefined> => {
    const record = await readRaw(type, { id }, options);
    return record && hasAll(record.properties, properties) ? toWritten(type, record) : undefined;
  };

  /** Up to 100 records by id. Leaves out the unknown ones; a record that cannot be read is an Error. */
  const byIds = <Type extends ObjectType>(type: Type) =>
    operation(
      endpoints.batchRead(type).operation,
      () => (ids: readonly string[], options: RequestOptions) => readBatch(type, ids, options),
    );

  /**
   * What up to 1,000 records are linked to, by id. Leaves out who is linked to nothing; what failed is an Error, and a link
   * that cannot be read is `Unusable`.
   */
  const readAssociations = async (
    from: ObjectType,
    to: ObjectType,
    ids: readonly string[],
    options: RequestOptions,
  ): Promise<Map<string, (ApiAssociation | Unusable)[] | Error>> => {
    const found = new Map<string, (ApiAssociation | Unusable)[] | Error>();
    const endpoint = endpoints.associations(from, to);
    const origin = { upstream, operation: endpoint.operation };
    const askPage = async (inputs: readonly { id: string; after?: string }[]) => {
      const { results, errors } = await ask(BatchResult, { ...options, endpoint, json: { inputs } });
      const next: { id: string; after: string }[] = [];
      let isWhole = true;
      const answered = new Map<string, (ApiAssociation | Unusable)[] | Error>();
      for (const result of results) {
        const owner = AssociationsOwner.safeParse(result).data;
        if (owner === undefined) isWhole = false;
        else {
          const page = parseItem(AssociationsPage, result, endpoint.operation);
          if (isUnusable(page)) answered.set(owner, toItemError(upstream, page));
          else {
            answered.set(
              owner,
              page.to.map((link) => parseItem(AssociationLink, link, endpoint.operation)),
            );
            const after = page.paging?.next?.after;
            if (after !== undefined) next.push({ id: owner, after });
          }
        }
      }
      const asked = inputs.map(({ id }) => id);
      addFailures(answered, asked, failuresOf(errors ?? [], 'fromObjectId'), isWhole, origin);
      for (const [id, associations] of answered) {
        const before = found.get(id) ?? [];
        // Of links that are there only in part none may pass for all.
        if (associations instanceof Error || before instanceof Error)
          found.set(id, associations instanceof Error ? associations : before);
        else found.set(id, [...before, ...associations]);
      }
      return next.length > 0 ? next : undefined;
    };
    const inputs: readonly { id: string; after?: string }[] = ids.map((id) => ({ id }));
    await readPages(inputs, askPage, origin);
    return found;
  };

  const associationsOf = (from: ObjectType, to: ObjectType) =>
    operation(
      endpoints.associations(from, to).operation,
      () => (ids: readonly string[], options: RequestOptions) => readAssociations(from, to, ids, options),
    );

  /** A page of the list of all records of a type, or of a search for some. */
  const pageOf = <Type extends RecordType>(type: Type) =>
    Object.assign((page: ListPage, options: RequestOptions) => list(type, page, options), {
      operationOf: ({ query }: ListPage) => listEndpoint(type, query).operation,
    });

  return {
    endpoints,
    contactsByIds: byIds('contacts'),
    companiesByIds: byIds('companies'),
    dealsByIds: byIds('deals'),
    lineItemsByIds: byIds('line_items'),

    /** Up to 100 contacts by their primary address, by address in lower case. */
    contactsByEmails: operation(
      endpoints.batchRead('contacts').operation,
      () => (emails: readonly string[], options: RequestOptions) => readBatch('contacts', emails, options, 'email'),
    ),

    companiesOfContacts: associationsOf('contacts', 'companies'),
    dealsOfContacts: associationsOf('contacts', 'deals'),
    companiesOfDeals: associationsOf('deals', 'companies'),
    contactsOfDeals: associationsOf('deals', 'contacts'),
    lineItemsOfDeals: associationsOf('deals', 'line_items'),

    contactPage: pageOf('contacts'),
    dealPage: pageOf('deals'),

    /** Creates a contact. Refused with the reason ALREADY_EXISTS where the address is taken. */
    createContact: async (
      properties: Properties,
      companyId: string | undefined,
      options: RequestOptions,
    ): Promise<Written<ApiContact>> => {
      const answer = await ask(RawRecord, {
        ...options,
        endpoint: endpoints.create('contacts'),
        json: {
          properties,
          // 1: a contact's primary company.
          associations: companyId
            ? [{ to: { id: companyId }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 1 }] }]
            : [],
        },
        write: true,
      });
      return toWritten('contacts', answer);
    },

    /** The id in the answer is another one where the contact has been merged into another. */
    updateContact: (id: string, properties: Properties, options: RequestOptions) =>
      update('contacts', id, properties, options),

    updateDeal: (id: string, properties: Properties, options: RequestOptions) =>
      update('deals', id, properties, options),

    /** The contact where it has all of these values, and undefined where it has not. */
    contactWith: (id: string, properties: Properties, options: RequestOptions) =>
      recordWith('contacts', id, properties, options),

    /** The deal where it has all of these values, and undefined where it has not. */
    dealWith: (id: string, properties: Properties, options: RequestOptions) =>
      recordWith('deals', id, properties, options),

    /** The contact with this address, if it was made since then (milliseconds since 1970) and with these values. */
    contactMadeSince: async (
      since: number,
      properties: Properties,
      options: RequestOptions,
    ): Promise<Written<ApiContact> | undefined> => {
      const record = await readRaw('contacts', { id: properties['email'] ?? '', idProperty: 'email' }, options);
      // A minute, for clocks that differ.
      const isNew = record !== undefined && Date.parse(record.createdAt) > since - 60_000;
      return isNew && hasAll(record.properties, properties) ? toWritten('contacts', record) : undefined;
    },
  };
};

export type HubSpotApi = ReturnType<typeof createHubSpotApi>;

// The OpenAPI document requires a cursor of every search, and the README of @hubspot/api-client names this one for the first page.
const FIRST_PAGE = '0';

const isSearched = ({ filters, text }: ListQuery): boolean => filters.length > 0 || text !== undefined;

const toBatchRead = (type: ObjectType, ids: readonly string[], idProperty: string | undefined) => ({
  inputs: ids.map((id) => ({ id })),
  properties: PROPERTIES[type],
  propertiesWithHistory: [],
  ...(idProperty !== undefined && { idProperty }),
});

// Numbers and times come back written in another way.
const READ_AS: Readonly<Record<string, (value: string) => number>> = { amount: Number, closedate: Date.parse };

/** Compares as HubSpot stores: nothing and empty text are one. */
const hasAll = (found: RawRecord['properties'], wanted: Properties): boolean =>
  Object.entries(wanted).every(([name, value]) => {
    const text = found[name] ?? '';
    if (typeof text !== 'string') return false;
    const read = READ_AS[name];
    return text === value || (read !== undefined && text !== '' && value !== '' && read(text) === read(value));
  });

const Keyed = z.object({ id: z.string().min(1) });
const KeyedByEmail = z.object({ properties: z.object({ email: z.string().min(1) }) });

/** The key that an item of a batch answers; undefined where that cannot be read. */
const idOf = (item: unknown): string | undefined => Keyed.safeParse(item).data?.id;
const emailOf = (item: unknown): string | undefined => {
  const { data } = KeyedByEmail.safeParse(item);
  return data && toAsciiLowerCase(data.properties.email);
};

/**
 * Adds an Error for each input of a batch that failed. Where part of the answer cannot be told to belong to any input, it is
 * about one of those that it otherwise says nothing of: they fail as well, so that none of them passes for missing.
 */
const addFailures = <Value>(
  found: Map<string, Value | Error>,
  asked: readonly string[],
  { failed, missing, isWhole }: BatchFailures,
  isAnswerWhole: boolean,
  origin: Origin,
): void => {
  for (const [id, category] of failed) found.set(id, partOfBatchFailed(origin, category));
  if (isWhole && isAnswerWhole) return;
  for (const id of asked) {
    if (!found.has(id) && !missing.has(id)) found.set(id, unusableResponse(origin, 'parts that name no input'));
  }
};

const partOfBatchFailed = ({ upstream, operation }: Origin, category: string): UpstreamError =>
  new UpstreamError('UPSTREAM_UNAVAILABLE', upstream, `${operation} left an input out: ${category}`, { operation });

/** Adds why the provider refused, in our words, by the status that it documents for it. */
const withReason = (error: unknown): unknown => {
  if (!isUpstreamError(error, 'UPSTREAM_REJECTED') || error.details.reason) return error;
  const reason = error.details.status === 409 ? 'ALREADY_EXISTS' : 'INVALID_VALUE';
  return new UpstreamError(error.code, error.upstream, error.message, { ...error.details, reason, cause: error });
};
