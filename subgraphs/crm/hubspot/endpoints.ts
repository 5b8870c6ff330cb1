import type { ProviderRequest } from '../../../connectors/middleware/chain.ts';
import type { ObjectType } from './wire-types.ts';

/** Default version of HubSpot's API; `HUBSPOT_API_VERSION` overrides it. */
export const API_VERSION = '2026-09';

/** The first version with all endpoints below; 2025-09 has no OAuth. */
export const FIRST_API_VERSION = '2026-03';

/** The object types that are listed and written. */
export type RecordType = 'contacts' | 'deals';

declare const OPERATION: unique symbol;

/**
 * An operation's name in errors, limits and statistics: the method and the path, with `{id}` for an id. It contains the
 * configured version, so it cannot be a union of literals; the brand restricts it to the endpoints below.
 */
export type HubSpotOperation = string & { readonly [OPERATION]: true };

/** One endpoint of HubSpot's API. */
export type Endpoint = {
  readonly method: ProviderRequest['method'];
  readonly path: string;
  readonly operation: HubSpotOperation;
};

const endpoint = (method: ProviderRequest['method'], path: string, template = path): Endpoint => ({
  method,
  path,
  operation: `${method} ${template}` as HubSpotOperation,
});

/**
 * Creates the endpoints of a dated version such as `2026-09`.
 * Sources: https://developers.hubspot.com/docs/api-reference/legacy/migration-guide, and the OpenAPI documents CRM/Objects,
 * CRM/Associations and Auth/Oauth in https://github.com/HubSpot/HubSpot-public-api-spec-collection
 */
export const createEndpoints = (version: string) => {
  const objects = (type: ObjectType) => `/crm/objects/${version}/${type}`;
  return {
    list: (type: RecordType) => endpoint('GET', objects(type)),
    search: (type: RecordType) => endpoint('POST', `${objects(type)}/search`),
    batchRead: (type: ObjectType) => endpoint('POST', `${objects(type)}/batch/read`),
    create: (type: RecordType) => endpoint('POST', objects(type)),
    update: (type: RecordType, id: string) => endpoint('PATCH', `${objects(type)}/${id}`, `${objects(type)}/{id}`),
    associations: (from: ObjectType, to: ObjectType) =>
      endpoint('POST', `/crm/associations/${version}/${from}/${to}/batch/read`),
    token: endpoint('POST', `/oauth/${version}/token`),
  };
};
