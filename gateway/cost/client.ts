import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Client } from '../../runtime/client-usage.ts';
import { networkOf } from '../../runtime/network.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';

/** Whether a client is a sender who has proved who they are. Others are told apart by their addresses. */
export const isNamed = ({ method }: Identity): boolean => method !== 'none' && method !== 'anonymous';

/**
 * Returns the client of a request, as limits and fair queues distinguish clients: the sender if authenticated, else the address.
 * An IPv6 address counts by its first 64 bits, because a single host usually has all addresses that begin with them.
 */
export const clientOf = (identity: Identity, address: string, weight = 1): Client => {
  const { method, subject, tenant, claims } = identity;
  // A token's subject is unique only for its issuer. Whoever is not known can choose any tenant.
  const sender = isNamed(identity)
    ? JSON.stringify([method, subject, method === 'jwt' ? claims['iss'] : undefined, tenant])
    : address;
  let id = ids.get(sender);
  if (id === undefined) {
    id = digestOf(isNamed(identity) ? sender : networkOf(address));
    ids.set(sender, id);
  }
  return { id, weight };
};

/** The digests of clients. Computing one takes ten times as long as finding it here. */
const ids = new LRUCache<string, string>({ max: 10_000 });

const digestOf = (sender: string): string => createHash('sha256').update(sender).digest('base64url').slice(0, 22);

/** Maximum length of a client's name. */
const MAX_NAME_CHARS = 200;

/**
 * Returns the name of a client for operators: its method and subject, with its tenant if it has one, e.g. `api-key:web` or
 * `jwt:https://id.example.com#ada`, as the file of plans names clients. `anonymous` for those that did not authenticate.
 */
export const clientNameOf = (identity: Identity, namesIssuer: boolean): string => {
  if (!isNamed(identity)) return 'anonymous';
  const { method, tenant } = identity;
  const subject = namesIssuer ? subjectOfIssuer(identity) : identity.subject;
  return `${method}:${tenant === undefined ? '' : `${tenant}/`}${subject}`.slice(0, MAX_NAME_CHARS);
};

/** Returns a sender's subject, with the issuer of its token: subjects of different issuers may be the same. */
export const subjectOfIssuer = ({ method, subject, claims }: Identity): string =>
  method === 'jwt' ? `${claims['iss']}#${subject}` : subject;
