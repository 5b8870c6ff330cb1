import { z } from 'zod';
import { type CachedCredential, createCachedCredential } from '../../../connectors/credential.ts';
import { isUpstreamError } from '../../../connectors/errors.ts';
import type { SoapConnector } from '../../../connectors/transports/soap.ts';
import { SESSION_EXPIRED, toFailure } from './error-reasons.ts';
import type { OpenMageOperation } from './operations.ts';

const LoginResponse = z.object({ result: z.string().trim().min(1) });

export type OpenMageOptions = {
  readonly soap: SoapConnector<OpenMageOperation>;
  readonly username: string;
  readonly apiKey: string;
};

/** The session of an API user: one for all callers, renewed when the shop reports that it has expired. */
export const createSession = ({ soap, username, apiKey }: OpenMageOptions): CachedCredential =>
  createCachedCredential({
    subgraph: 'inventory',
    acquire: async () => {
      const input = { username, apiKey };
      try {
        const { result } = await soap.call({
          operation: 'login',
          input,
          response: LoginResponse,
          write: false,
          skipRateLimit: true,
        });
        return { value: result };
      } catch (error) {
        throw toFailure(error, false);
      }
    },
    isRejected: (error) => isUpstreamError(error, 'UPSTREAM_REJECTED') && error.details.fault === SESSION_EXPIRED,
  });
