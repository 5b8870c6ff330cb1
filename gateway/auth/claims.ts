import type { JWTPayload } from 'jose';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import { Email } from '../../subgraphs/kit/inputs.ts';

/** The claims of a token that describe its identity: names, or dotted paths such as `realm_access.roles`. */
export type ClaimNames = {
  readonly subject: string;
  /** Scopes are collected from all of them: from text separated by spaces, and from lists of text. */
  readonly scopes: readonly string[];
  readonly tenant?: string | undefined;
  readonly customerEmail?: string | undefined;
};

const MAX_SUBJECT_LENGTH = 256;

/**
 * Creates the identity of verified claims. Returns undefined if they have no usable subject, or a tenant or customer that cannot
 * be used: without it, the identity would be less confined than its issuer meant.
 */
export const toIdentity = (claims: JWTPayload, names: ClaimNames): Identity | undefined => {
  const subject = claimOf(claims, names.subject);
  const tenant = names.tenant === undefined ? undefined : claimOf(claims, names.tenant);
  const customer = names.customerEmail === undefined ? undefined : claimOf(claims, names.customerEmail);
  if (!isName(subject) || !(tenant === undefined || isName(tenant))) return undefined;
  if (customer === undefined) return { method: 'jwt', subject, scopes: scopesOf(claims, names), tenant, claims };
  const { data: customerEmail } = Email.safeParse(customer);
  // OpenID Connect Core, section 5.1: anyone can enter an address that nobody has verified. Some issuers send text.
  const isVerified = [undefined, true, 'true'].includes(claims['email_verified'] as string | boolean | undefined);
  if (customerEmail === undefined || !isVerified) return undefined;
  return { method: 'jwt', subject, scopes: scopesOf(claims, names), tenant, customerEmail, claims };
};

const isName = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= MAX_SUBJECT_LENGTH;

const scopesOf = (claims: JWTPayload, names: ClaimNames): ReadonlySet<string> =>
  new Set(
    names.scopes.flatMap((name) => {
      const value = claimOf(claims, name);
      if (typeof value === 'string') return value.split(' ').filter(Boolean);
      return Array.isArray(value) ? value.filter((scope) => typeof scope === 'string') : [];
    }),
  );

/** Returns a claim. A claim with dots in its own name, such as `https://shop.example/roles`, takes precedence over a path. */
export const claimOf = (claims: JWTPayload, name: string): unknown =>
  Object.hasOwn(claims, name) ? claims[name] : name.split('.').reduce<unknown>(ownProperty, claims);

const ownProperty = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
