import { z } from 'zod';
import { isUpstreamError, UpstreamError } from '../../../connectors/errors.ts';
import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import {
  type InvalidItem,
  isInvalidItem,
  itemOrError,
  parseItem,
  toItemError,
} from '../../../connectors/reads/items.ts';
import { readPages } from '../../../connectors/reads/paginate.ts';
import { operation } from '../../../connectors/reads/read.ts';
import type { HttpConnector } from '../../../connectors/transports/http.ts';
import { parseJson, type ResponseContext, unusableResponse } from '../../../connectors/transports/parse.ts';
import { toAsciiLowerCase } from '../../kit/ascii.ts';
import type { ProviderPage } from '../../kit/connection.ts';
import { type Access, createAccessToken } from './access.ts';
import { createEndpoints, type Endpoint, type RecordType } from './endpoints.ts';
import type { WrittenRecord } from './read-back.ts';
import {
  type ApiAssociation,
  type ApiContact,
  Association,
  AssociationsOwner,
  AssociationsPage,
  type BatchFailures,
  BatchResult,
  createShapes,
  failuresOf,
  type ObjectType,
  PageResponse,
  PROPERTIES,
  RawRecord,
} from './wire-types.ts';

export type Filter = { readonly propertyName: string; readonly operator: 'EQ'; readonly value: string };

/** The records to list: all without filters and text, otherwise those that a search finds. */
export type ListQuery = { readonly filters: readonly Filter[]; readonly text?: string | undefined };

/** The key of a page: the list's query and the page's cursor. */
export type ListPage = {
  readonly query: ListQuery;
  readonly page: { readonly token: string | undefined; readonly limit: number };
};

/** Properties by HubSpot's names, with HubSpot's values. An empty string clears a property. */
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
  /** The currency of amounts that do not state one. */
  readonly defaultCurrency: string | undefined;
};

/**
 * Creates the client for HubSpot's CRM API. Every function throws UpstreamError.
 * Requests contain everything that HubSpot's OpenAPI documents require, even where HubSpot has a default.
 */
export const createHubSpotApi = (http: HttpConnector, config: HubSpotOptions) => {
  const { subgraph } = http;
  const endpoints = createEndpoints(config.apiVersion);
  const access = createAccessToken(http, config, endpoints.token);
  const shapes = createShapes(config.defaultCurrency);

  const sendRequest = async <Schema extends z.ZodType>(schema: Schema, request: Request): Promise<z.output<Schema>> => {
    const { endpoint, query, json, write = false, ...options } = request;
    const { method, path, operation } = endpoint;
    const send = (token: string, isRepeat: boolean) =>
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
        isRepeat: isRepeat || options.isRepeat,
      });
    try {
      const { body } = await access.use(send, options);
      return parseJson(schema, body, { subgraph, operation, write });
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
    const { results, errors } = await sendRequest(BatchResult, {
      ...options,
      endpoint,
      json: toBatchRead(type, ids, idProperty),
    });
    const context = { subgraph, operation: endpoint.operation };
    const found = new Map<string, Shape<Type> | Error>();
    let isComplete = true;
    for (const result of results) {
      const key = idProperty ? emailOf(result) : idOf(result);
      if (key === undefined) isComplete = false;
      else found.set(key, itemOrError(subgraph, parseItem(shapes[type], result, endpoint.operation)) as Shape<Type>);
    }
    addFailures(found, ids, failuresOf(errors ?? [], 'ids'), isComplete, context);
    return found;
  };

  const listEndpoint = (type: RecordType, query: ListQuery): Endpoint =>
    isSearched(query) ? endpoints.search(type) : endpoints.list(type);

  const list = async <Type extends RecordType>(
    type: Type,
    { query: { filters, text }, page: { token, limit } }: ListPage,
    options: RequestOptions,
  ): Promise<ProviderPage<Shape<Type> | InvalidItem>> => {
    const isSearch = isSearched({ filters, text });
    const endpoint = listEndpoint(type, { filters, text });
    const query = new URLSearchParams({ limit: String(limit), properties: PROPERTIES[type].join(',') });
    if (token !== undefined) query.set('after', token);
    const json = {
      filterGroups: filters.length > 0 ? [{ filters }] : [],
      ...(text !== undefined && { query: text }),
      // Ascending, like the list endpoint: in creation order.
      sorts: ['hs_object_id'],
      properties: PROPERTIES[type],
      limit,
      after: token ?? FIRST_PAGE,
    };
    const { results, paging } = await sendRequest(PageResponse, {
      ...options,
      endpoint,
      ...(isSearch ? { json } : { query }),
    });
    const items = results.map(
      (result) => parseItem(shapes[type], result, endpoint.operation) as Shape<Type> | InvalidItem,
    );
    return { items, next: paging?.next?.after };
  };

  const readRaw = async (
    type: ObjectType,
    input: { id: string; idProperty?: string },
    options: RequestOptions,
  ): Promise<RawRecord | undefined> => {
    const json = toBatchRead(type, [input.id], input.idProperty);
    const { results } = await sendRequest(BatchResult, { ...options, endpoint: endpoints.batchRead(type), json });
    return RawRecord.safeParse(results[0]).data;
  };

  /** Parses the record in a write's response. A property of an unexpected type counts as absent. */
  const toWritten = <Type extends ObjectType>(
    type: Type,
    { id, createdAt, properties: raw }: RawRecord,
  ): WrittenRecord<Shape<Type>> => {
    const properties = Object.fromEntries(
      PROPERTIES[type].flatMap((name) => {
        const value = Object.hasOwn(raw, name) ? raw[name] : undefined;
        return typeof value === 'string' || value === null ? [[name, value]] : [];
      }),
    );
    // An amount is meaningless without the deal's own currency.
    if (type === 'deals' && !Object.hasOwn(properties, 'deal_currency_code')) delete properties['amount'];
    const parsed = shapes[type].safeParse({ id, createdAt, properties });
    const has = new Set(parsed.success ? Object.keys(properties) : []);
    const record = parsed.success ? parsed.data : shapes[type].parse({ id, createdAt, properties: {} });
    return { record: record as Shape<Type>, has, isComplete: has.size === PROPERTIES[type].length };
  };

  const update = async <Type extends RecordType>(
    type: Type,
    id: string,
    properties: Properties,
    options: RequestOptions,
  ): Promise<WrittenRecord<Shape<Type>>> => {
    const response = await sendRequest(RawRecord, {
      ...options,
      endpoint: endpoints.update(type, id),
      json: { properties },
      write: true,
    });
    return toWritten(type, response);
  };

  /** Returns the record if it has all of these values, otherwise undefined. */
  const recordWith = async <Type extends ObjectType>(
    type: Type,
    id: string,
    properties: Properties,
    options: RequestOptions,
  ): Promise<WrittenRecord<Shape<Type>> | undefined> => {
    const record = await readRaw(type, { id }, options);
    return record && hasAll(record.properties, properties) ? toWritten(type, record) : undefined;
  };

  /** Reads up to 100 records by id. Omits unknown ones; an invalid record maps to an Error. */
  const byIds = <Type extends ObjectType>(type: Type) =>
    operation(
      endpoints.batchRead(type).operation,
      () => (ids: readonly string[], options: RequestOptions) => readBatch(type, ids, options),
    );

  /**
   * Reads the associations of up to 1,000 records, by id. Omits records without associations; a failed record maps to an
   * Error, and an association that cannot be read is an `InvalidItem`.
   */
  const readAssociations = async (
    from: ObjectType,
    to: ObjectType,
    ids: readonly string[],
    options: RequestOptions,
  ): Promise<Map<string, (ApiAssociation | InvalidItem)[] | Error>> => {
    const found = new Map<string, (ApiAssociation | InvalidItem)[] | Error>();
    const endpoint = endpoints.associations(from, to);
    const context = { subgraph, operation: endpoint.operation };
    const askPage = async (inputs: readonly { id: string; after?: string }[]) => {
      const { results, errors } = await sendRequest(BatchResult, { ...options, endpoint, json: { inputs } });
      const next: { id: string; after: string }[] = [];
      let isComplete = true;
      const received = new Map<string, (ApiAssociation | InvalidItem)[] | Error>();
      for (const result of results) {
        const owner = AssociationsOwner.safeParse(result).data;
        if (owner === undefined) isComplete = false;
        else {
          const page = parseItem(AssociationsPage, result, endpoint.operation);
          if (isInvalidItem(page)) received.set(owner, toItemError(subgraph, page));
          else {
            received.set(
              owner,
              page.to.map((item) => parseItem(Association, item, endpoint.operation)),
            );
            const after = page.paging?.next?.after;
            if (after !== undefined) next.push({ id: owner, after });
          }
        }
      }
      const requested = inputs.map(({ id }) => id);
      addFailures(received, requested, failuresOf(errors ?? [], 'fromObjectId'), isComplete, context);
      for (const [id, associations] of received) {
        const before = found.get(id) ?? [];
        // An incomplete list of associations must not pass for a complete one.
        if (associations instanceof Error || before instanceof Error)
          found.set(id, associations instanceof Error ? associations : before);
        else found.set(id, [...before, ...associations]);
      }
      return next.length > 0 ? next : undefined;
    };
    const inputs: readonly { id: string; after?: string }[] = ids.map((id) => ({ id }));
    await readPages(inputs, askPage, context);
    return found;
  };

  const associationsOf = (from: ObjectType, to: ObjectType) =>
    operation(
      endpoints.associations(from, to).operation,
      () => (ids: readonly string[], options: RequestOptions) => readAssociations(from, to, ids, options),
    );

  /** Reads a page of all records of a type, or of a search. */
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

    /** Reads up to 100 contacts by primary email address; the result's keys are in lower case. */
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

    /** Creates a contact. Rejected with the reason ALREADY_EXISTS if the address is taken. */
    createContact: async (
      properties: Properties,
      companyId: string | undefined,
      options: RequestOptions,
    ): Promise<WrittenRecord<ApiContact>> => {
      const response = await sendRequest(RawRecord, {
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
      return toWritten('contacts', response);
    },

    /** Updates a contact. The returned id differs if the contact was merged into another one. */
    updateContact: (id: string, properties: Properties, options: RequestOptions) =>
      update('contacts', id, properties, options),

    updateDeal: (id: string, properties: Properties, options: RequestOptions) =>
      update('deals', id, properties, options),

    /** Returns the contact if it has all of these values, otherwise undefined. */
    contactWith: (id: string, properties: Properties, options: RequestOptions) =>
      recordWith('contacts', id, properties, options),

    /** Returns the deal if it has all of these values, otherwise undefined. */
    dealWith: (id: string, properties: Properties, options: RequestOptions) =>
      recordWith('deals', id, properties, options),

    /** Returns the contact with this address if it was created after `since` (Unix time in ms) with these values. */
    contactMadeSince: async (
      since: number,
      properties: Properties,
      options: RequestOptions,
    ): Promise<WrittenRecord<ApiContact> | undefined> => {
      const record = await readRaw('contacts', { id: properties['email'] ?? '', idProperty: 'email' }, options);
      // A minute of tolerance, because clocks differ.
      const isNew = record !== undefined && Date.parse(record.createdAt) > since - 60_000;
      return isNew && hasAll(record.properties, properties) ? toWritten('contacts', record) : undefined;
    },
  };
};

export type HubSpotApi = ReturnType<typeof createHubSpotApi>;

// The OpenAPI document requires a cursor in every search; the README of @hubspot/api-client uses this one for the first page.
const FIRST_PAGE = '0';

const isSearched = ({ filters, text }: ListQuery): boolean => filters.length > 0 || text !== undefined;

const toBatchRead = (type: ObjectType, ids: readonly string[], idProperty: string | undefined) => ({
  inputs: ids.map((id) => ({ id })),
  properties: PROPERTIES[type],
  propertiesWithHistory: [],
  ...(idProperty !== undefined && { idProperty }),
});

// Numbers and times are returned in another notation.
const READ_AS: Readonly<Record<string, (value: string) => number>> = { amount: Number, closedate: Date.parse };

/** Whether a record has all wanted values. As in HubSpot, null and an empty string are equal. */
const hasAll = (found: RawRecord['properties'], wanted: Properties): boolean =>
  Object.entries(wanted).every(([name, value]) => {
    const text = found[name] ?? '';
    if (typeof text !== 'string') return false;
    const read = READ_AS[name];
    return text === value || (read !== undefined && text !== '' && value !== '' && read(text) === read(value));
  });

const Keyed = z.object({ id: z.string().min(1) });
const KeyedByEmail = z.object({ properties: z.object({ email: z.string().min(1) }) });

/** Returns the key of a batch item; undefined if it cannot be read. */
const idOf = (item: unknown): string | undefined => Keyed.safeParse(item).data?.id;
const emailOf = (item: unknown): string | undefined => {
  const { data } = KeyedByEmail.safeParse(item);
  return data && toAsciiLowerCase(data.properties.email);
};

/**
 * Adds an Error for each failed input of a batch. If part of the response names no input, it may concern any input that the
 * response does not mention: those fail as well, so that none of them passes for missing.
 */
const addFailures = <Value>(
  found: Map<string, Value | Error>,
  ids: readonly string[],
  { failed, missing, isComplete }: BatchFailures,
  isResponseComplete: boolean,
  context: ResponseContext,
): void => {
  for (const [id, category] of failed) found.set(id, partOfBatchFailed(context, category));
  if (isComplete && isResponseComplete) return;
  for (const id of ids) {
    if (!found.has(id) && !missing.has(id)) found.set(id, unusableResponse(context, 'parts that name no input'));
  }
};

const partOfBatchFailed = ({ subgraph, operation }: ResponseContext, category: string): UpstreamError =>
  new UpstreamError('UPSTREAM_UNAVAILABLE', subgraph, `${operation} failed for an input: ${category}`, { operation });

/** Adds the reason of a rejection, according to its status as HubSpot documents it. */
const withReason = (error: unknown): unknown => {
  if (!isUpstreamError(error, 'UPSTREAM_REJECTED') || error.details.reason) return error;
  const reason = error.details.status === 409 ? 'ALREADY_EXISTS' : 'INVALID_VALUE';
  return new UpstreamError(error.code, error.subgraph, error.message, { ...error.details, reason, cause: error });
};
