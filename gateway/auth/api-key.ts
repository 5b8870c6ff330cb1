import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import { API_KEY_PREFIX } from './credentials.ts';

/*
 * API keys, for programs: `trb_<id>_<secret>`. The ID finds the record of a key, which has only a hash of it.
 *
 * The secret has 256 random bits, so a single SHA-256 suffices: no list of guesses contains it. A slow hash such as scrypt
 * protects passwords, which people choose; here it would only let unauthenticated requests cost a tenth of a second each.
 */

const KEY = /^trb_([0-9a-f]{16})_[\w-]{43}$/;

/** Characters of a scope (RFC 6749, section 3.3), without those that separate scopes in lists. */
const Scope = z.string().regex(/^[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]+$/, 'must be scopes such as payments:read');

/** A stored API key. */
export const ApiKeyRecord = z.object({
  name: z.string().regex(/^[\w.-]{1,64}$/, 'must have at most 64 letters, digits and . _ -'),
  id: z.string(),
  /** SHA-256 of the whole key, as hex. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  scopes: z.array(Scope).min(1, 'must be scopes such as payments:read'),
  tenant: z.string().min(1).optional(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().optional(),
});

export type ApiKeyRecord = z.output<typeof ApiKeyRecord>;

/** A record and the identity of requests with its key. */
export type ApiKey = { readonly record: ApiKeyRecord; readonly identity: Identity };

/** Where a gateway finds API keys. */
export type ApiKeyReader = {
  /**
   * Returns the key with an ID, as it was at most a second ago. Throws AuthenticationUnavailableError if that cannot be known.
   */
  readonly find: (id: string) => Promise<ApiKey | undefined>;
};

/** Where API keys are created and revoked. */
export type ApiKeyRegistry = {
  readonly list: () => Promise<readonly ApiKeyRecord[]>;
  /** Adds a key. Returns false, without an effect, if there is one with its name. */
  readonly add: (record: ApiKeyRecord) => Promise<boolean>;
  /** Removes the key with a name. Returns false if there is none. */
  readonly remove: (name: string) => Promise<boolean>;
};

const hashOf = (key: string): Buffer => createHash('sha256').update(key).digest();

/** Creates an API key. Only the record may be stored. Throws a ZodError for an invalid name or scope. */
export const createApiKey = (
  details: Pick<ApiKeyRecord, 'name' | 'scopes' | 'tenant' | 'expiresAt'>,
): { readonly key: string; readonly record: ApiKeyRecord } => {
  const id = randomBytes(8).toString('hex');
  const key = `${API_KEY_PREFIX}${id}_${randomBytes(32).toString('base64url')}`;
  const createdAt = new Date().toISOString();
  return { key, record: ApiKeyRecord.parse({ ...details, id, hash: hashOf(key).toString('hex'), createdAt }) };
};

/** Returns a stored record with its identity. */
export const toApiKey = (record: ApiKeyRecord): ApiKey => {
  const { name, scopes, tenant } = record;
  return { record, identity: { method: 'api-key', subject: name, scopes: new Set(scopes), tenant, claims: {} } };
};

/** Returns the identity of a valid key, and undefined for any other. Throws AuthenticationUnavailableError. */
export const verifyApiKey = async (key: string, { find }: ApiKeyReader): Promise<Identity | undefined> => {
  const id = KEY.exec(key)?.[1];
  const found = id === undefined ? undefined : await find(id);
  if (!found) return undefined;
  const { record, identity } = found;
  const isExpired = record.expiresAt !== undefined && Date.parse(record.expiresAt) <= Date.now();
  return timingSafeEqual(hashOf(key), Buffer.from(record.hash, 'hex')) && !isExpired ? identity : undefined;
};
