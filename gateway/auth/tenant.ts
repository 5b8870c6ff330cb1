import type { FastifyRequest } from 'fastify';
import type { Refusal } from '../../runtime/http-errors.ts';
import { hasScope, type Identity } from '../../subgraphs/kit/identity.ts';
import { isTenantName, type Tenants } from '../../subgraphs/kit/tenants.ts';

/** The scope of a sender who belongs to no tenant and may choose any by a header. */
const ANY_TENANT = 'tenants:any';

const UNKNOWN_TENANT: Refusal = {
  status: 403,
  message: 'There is no such tenant.',
  code: 'FORBIDDEN',
};

const FOREIGN_TENANT: Refusal = {
  status: 403,
  message: 'This tenant cannot be chosen.',
  code: 'FORBIDDEN',
};

const TENANT_REQUIRED: Refusal = {
  status: 403,
  message: 'A tenant is required. Use credentials of a tenant, or contact the operator.',
  code: 'FORBIDDEN',
};

export type TenantOptions = {
  /** Undefined if no file of tenants is configured. */
  readonly tenants: Pick<Tenants, 'has' | 'isRequired'> | undefined;
  /** The header that chooses a tenant, lowercase. Undefined if none does. */
  readonly header: string | undefined;
};

/**
 * Adds the tenant to an identity: its own or, if it belongs to none and may choose, that of the header. Returns a refusal for a
 * tenant that does not exist or is not the sender's own, and for none where one is required.
 */
export const chooseTenant = (
  identity: Identity,
  headers: FastifyRequest['headers'],
  { tenants, header }: TenantOptions,
): Identity | Refusal => {
  const wanted = header === undefined ? undefined : headers[header];
  const tenant = wanted === undefined || wanted === '' ? identity.tenant : String(wanted);
  if (tenant === undefined) return tenants?.isRequired ? TENANT_REQUIRED : identity;
  if (tenant !== identity.tenant && (identity.tenant !== undefined || !hasScope(identity, ANY_TENANT))) {
    return FOREIGN_TENANT;
  }
  if (!isTenantName(tenant) || (tenants && !tenants.has(tenant))) return UNKNOWN_TENANT;
  return tenant === identity.tenant ? identity : { ...identity, tenant };
};
