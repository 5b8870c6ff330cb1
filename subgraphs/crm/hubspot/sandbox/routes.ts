import type { SandboxRequest, SandboxResponse } from '../../../../sandbox/server.ts';
import { readAssociations } from './associations.ts';
import type { Context } from './context.ts';
import { notFound } from './errors.ts';
import { batchRead, listObjects, readObject, searchObjects } from './reads.ts';
import { typeNamed } from './records.ts';
import type { ObjectType } from './state.ts';
import { archiveObject, batchArchive, batchCreate, createObject, updateObject } from './writes.ts';

type Groups = Readonly<Record<string, string | undefined>>;

export type Route = {
  readonly method: string;
  readonly path: RegExp;
  readonly handle: (groups: Groups, request: SandboxRequest, context: Context) => SandboxResponse;
};

/*
 * The dated versions, and the older ones that HubSpot supports until 2027: v1 of OAuth until 16 February, v4 of the associations
 * until 30 March, v3 of the objects until September. HubSpot's own client still uses these.
 * Source: https://developers.hubspot.com/changelog
 */
const DATED = '(?:2025-09|2026-03|2026-09|2026-09-beta)';
const TOKEN_PATH = /^\/oauth\/(?:v1|v3|2026-03|2026-09)\/token$/;

const OBJECTS = `^/crm/(?:v3/objects|objects/${DATED})/(?<type>[^/]+)`;
const ASSOCIATIONS = `^/crm/(?:(?<v4>v4)/associations|associations/${DATED})/(?<from>[^/]+)/(?<to>[^/]+)`;

const typeOf = (name = ''): ObjectType => {
  const type = typeNamed(name);
  if (!type) throw notFound();
  return type;
};

const decode = (segment: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw notFound();
  }
};

const objectRoute = (
  method: string,
  rest: string,
  handle: (type: ObjectType, id: string, request: SandboxRequest, context: Context) => SandboxResponse,
): Route => ({
  method,
  path: new RegExp(`${OBJECTS}${rest}$`),
  handle: ({ type, id = '' }, request, context) => handle(typeOf(type), decode(id), request, context),
});

/** The endpoints of the sandbox. */
const ROUTES: readonly Route[] = [
  objectRoute('POST', '/batch/read', (type, _, request, context) => batchRead(type, request, context)),
  objectRoute('POST', '/batch/create', (type, _, { body }, context) => batchCreate(type, body, context)),
  objectRoute('POST', '/batch/archive', (type, _, { body }, context) => batchArchive(type, body, context)),
  objectRoute('POST', '/search', (type, _, { body }, { state }) => searchObjects(type, body, state)),
  objectRoute('GET', '', (type, _, { query }, context) => listObjects(type, query, context)),
  objectRoute('POST', '', (type, _, { body }, context) => createObject(type, body, context)),
  objectRoute('GET', '/(?<id>[^/]+)', readObject),
  objectRoute('PATCH', '/(?<id>[^/]+)', updateObject),
  objectRoute('DELETE', '/(?<id>[^/]+)', archiveObject),
  {
    method: 'POST',
    path: new RegExp(`${ASSOCIATIONS}/batch/read$`),
    handle: ({ from, to, v4 }, { body }, context) =>
      readAssociations(typeOf(from), typeOf(to), body, v4 !== undefined, context),
  },
];

export type FoundRoute = {
  /** The operation name in the call log, without ids. */
  readonly operation: string;
  readonly handle: (request: SandboxRequest, context: Context) => SandboxResponse;
};

/** Finds the endpoint of a request; undefined if there is none. */
export const findRoute = ({ method, path }: SandboxRequest): FoundRoute | undefined => {
  for (const route of ROUTES) {
    const groups = route.method === method ? route.path.exec(path)?.groups : undefined;
    if (groups) {
      const id = groups['id'];
      return {
        operation: `${method} ${id === undefined ? path : `${path.slice(0, -id.length)}{id}`}`,
        handle: (request, context) => route.handle(groups, request, context),
      };
    }
  }
  return undefined;
};

/** Whether a request is for an OAuth token. */
export const isTokenRequest = ({ method, path }: SandboxRequest): boolean => method === 'POST' && TOKEN_PATH.test(path);
