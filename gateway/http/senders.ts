import type { FastifyRequest } from 'fastify';
import type { Refusal } from '../../runtime/http-errors.ts';
import { ANONYMOUS, type Identity, UNRESTRICTED } from '../../subgraphs/kit/identity.ts';
import type { AuthenticatedMessage, Authenticator } from '../auth/authenticate.ts';
import { chooseTenant, type TenantOptions } from '../auth/tenant.ts';

/** A request, as far as it tells who sends it. */
export type SentMessage = AuthenticatedMessage & { readonly headers: FastifyRequest['headers'] };

/** The sender of a request, or its refusal. `authenticated` is who was refused a tenant. */
export type Sender =
  | { readonly identity: Identity; readonly authenticated: Identity }
  | {
      readonly refusal: Refusal;
      /** The value of `WWW-Authenticate`. */
      readonly challenge?: string | undefined;
      readonly authenticated?: Identity | undefined;
    };

/** Finds out who sends a request, and for which tenant. Refuses it when `signal` fires before that is known. */
export type IdentifySender = (message: SentMessage, signal: AbortSignal) => Promise<Sender>;

export type SendersOptions = {
  /** Undefined if no requests are authenticated. */
  readonly authenticator: Authenticator | undefined;
  readonly tenants: TenantOptions;
  /** Whether the access rules are those of an external supergraph, which hold without authentication, too. */
  readonly hasExternalRules: boolean;
};

export const createIdentifySender =
  ({ authenticator, tenants, hasExternalRules }: SendersOptions): IdentifySender =>
  async (message, signal) => {
    const authentication = (await authenticator?.authenticate(message, signal)) ?? { identity: UNRESTRICTED };
    if ('refusal' in authentication) return authentication;
    const { identity: authenticated } = authentication;
    const identity = chooseTenant(authenticated, message.headers, tenants);
    if ('code' in identity) return { refusal: identity, authenticated };
    // Nobody has proved anything.
    const isUnproved = identity.method === 'none' && hasExternalRules;
    if (!isUnproved) return { identity, authenticated };
    const { tenant } = identity;
    return { identity: tenant === undefined ? ANONYMOUS : { ...ANONYMOUS, tenant }, authenticated };
  };
