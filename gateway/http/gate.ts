import type { FastifyRequest } from 'fastify';
import type { Refusal } from '../../runtime/http-errors.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import type { AdmitClient, Admitted } from '../cost/client-limits.ts';
import { EXPLAIN_HEADER, NOT_EXPLAINED, pick } from './request-contexts.ts';
import { type createSafelistGuard, hasInvalidHash, readRequestedOperation } from './safelist.ts';
import type { IdentifySender, SentMessage } from './senders.ts';

/** A request that is refused for its sender. */
export type RefusedSender = {
  readonly refusal: NonNullable<Admitted['refusal']>;
  /** Undefined if that is not known. */
  readonly authenticated: Identity | undefined;
  /** The value of `WWW-Authenticate`. */
  readonly challenge?: string | undefined;
  /** The counters that the response reports. */
  readonly usages: Admitted['usages'];
};

/** A request with its sender and client. */
export type AdmittedSender = Omit<Admitted, 'refusal'> & {
  readonly identity: Identity;
  /** The sender as authenticated, before a tenant was chosen. */
  readonly authenticated: Identity;
  readonly refusal?: undefined;
};

/** Decides which requests are executed, over all transports: first by their senders, then by their operations. */
export type Gate = {
  /** Finds out who sends a request, and counts it. Refuses it when `signal` fires before that is known. */
  readonly pass: (
    message: SentMessage,
    address: string,
    signal: AbortSignal,
  ) => Promise<AdmittedSender | RefusedSender>;
  /** Returns why an operation is refused, by the parameters and the headers of its request. */
  readonly refusalOf: (parameters: unknown, headers: FastifyRequest['headers']) => Refusal | undefined;
};

export type GateOptions = {
  readonly identify: IdentifySender;
  readonly admit: AdmitClient;
  /** Undefined without a safelist. */
  readonly checkSafelist: ReturnType<typeof createSafelistGuard> | undefined;
  /** Whether operations are explained. */
  readonly reportAllowed: boolean;
};

const INVALID_HASH: Refusal = {
  status: 400,
  message: 'extensions.persistedQuery.sha256Hash must be a string.',
  code: 'BAD_REQUEST',
};

/** Headers with which Apollo's clients identify themselves. */
export const CLIENT_HEADERS = ['apollographql-client-name', 'apollographql-client-version'];

export const createGate = ({ identify, admit, checkSafelist, reportAllowed }: GateOptions): Gate => ({
  pass: async (message, address, signal) => {
    if (message.headers[EXPLAIN_HEADER] !== undefined && !reportAllowed) {
      return { refusal: NOT_EXPLAINED, authenticated: undefined, usages: [] };
    }
    const sender = await identify(message, signal);
    if ('refusal' in sender) {
      const { refusal, authenticated, challenge } = sender;
      return { refusal, authenticated, challenge, usages: [] };
    }
    const { identity, authenticated } = sender;
    const { refusal, ...admitted } = await admit(identity, address);
    return refusal ? { refusal, authenticated, usages: admitted.usages } : { identity, authenticated, ...admitted };
  },
  refusalOf: (parameters, headers) =>
    hasInvalidHash(parameters)
      ? INVALID_HASH
      : checkSafelist?.(readRequestedOperation(parameters), pick(headers, CLIENT_HEADERS)),
});
