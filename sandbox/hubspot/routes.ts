import type { SandboxAnswer, SandboxRequest } from '../server.ts';
import { readAssociations } from './associations.ts';
import { batchRead, listObjects, searchObjects } from './reads.ts';
import type { Context } from './records.ts';
import type { ObjectType } from './state.ts';
import { createObject, updateObject } from './writes.ts';

export type Route = {
  readonly method: string;
  readonly path: RegExp;
  /** The operation's name in the call log, without ids. */
  readonly name: (match: RegExpExecArray) => string;
  readonly answer: (match: RegExpExecArray, request: SandboxRequest, context: Context) => SandboxAnswer;
};

const TYPE = '(contacts|companies|deals|line_items)';

/** The endpoints of the API that the stand-in has. */
export const ROUTES: readonly Route[] = [
  {
    method: 'POST',
    path: new RegExp(`^/crm/v3/objects/${TYPE}/batch/read$`),
    name: ([path]) => `POST ${path}`,
    answer: ([, type], { body }, { state }) => batchRead(type as ObjectType, body, state),
  },
  {
    method: 'POST',
    path: new RegExp(`^/crm/v3/objects/${TYPE}/search$`),
    name: ([path]) => `POST ${path}`,
    answer: ([, type], { body }, { state }) => searchObjects(type as ObjectType, body, state),
  },
  {
    method: 'GET',
    path: new RegExp(`^/crm/v3/objects/${TYPE}$`),
    name: ([path]) => `GET ${path}`,
    answer: ([, type], { query }, { state }) => listObjects(type as ObjectType, query, state),
  },
  {
    method: 'POST',
    path: new RegExp(`^/crm/v3/objects/${TYPE}$`),
    name: ([path]) => `POST ${path}`,
    answer: ([, type], { body }, context) => createObject(type as ObjectType, body, context),
  },
  {
    method: 'PATCH',
    path: new RegExp(`^/crm/v3/objects/${TYPE}/(\\d+)$`),
    name: ([, type]) => `PATCH /crm/v3/objects/${type}/{id}`,
    answer: ([, type, id], { body }, context) => updateObject(type as ObjectType, String(id), body, context),
  },
  {
    method: 'POST',
    path: new RegExp(`^/crm/v4/associations/${TYPE}/${TYPE}/batch/read$`),
    name: ([path]) => `POST ${path}`,
    answer: ([, from, to], { body }, context) => readAssociations(from as ObjectType, to as ObjectType, body, context),
  },
];
