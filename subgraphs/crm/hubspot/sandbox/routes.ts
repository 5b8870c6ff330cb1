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
  readonly answer: (groups: Groups, request: SandboxRequest, context: Context) => SandboxResponse;
};

/*
 * The dated versions, and those before them, which HubSpot answers until 2027: v1 of OAuth until 16 February, v4 of the associations until 30
 * March, v3 of the objects until September. HubSpot's own client still calls these.
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
  answer: (type: ObjectType, id: string, request: SandboxRequest, context: Context) => SandboxResponse,
): Route => ({
  method,
  path: new RegExp(`${OBJECTS}${rest}$`),
  answer: ({ type, id = '' }, request, context) => answer(typeOf(type), decode(id), request, context),
});

/** The endpoints of the API that the stand-in has. */
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
    answer: ({ from, to, v4 }, { body }, context) =>
      readAssociations(typeOf(from), typeOf(to), body, v4 !== undefined, context),
  },
];

export type FoundRoute = {
  /** The operation's name in the call log, without ids. */
  readonly operation: string;
  readonly answer: (request: SandboxRequest, context: Context) => SandboxResponse;
};

/** The endpoint that a request is for; undefined where there is none. */
export const findRoute = ({ method, path }: SandboxRequest): FoundRoute | undefined => {
  for (const route of ROUTES) {
    const groups = route.method === method ? route.path.exec(path)?.groups : undefined;
    if (groups) {
      const id = groups['id'];
      return {
        operation: `${method} ${id === undefined ? path : `${path.slice(0, -id.length)}{id}`}`,
        answer: (request, context) => route.answer(groups, request, context),
      };
    }
  }
  return undefined;
};

/** Whether a request is for a token. */
export const isTokenRequest = ({ method, path }: SandboxRequest): boolean => method === 'POST' && TOKEN_PATH.test(path);
