import { randomUUID } from 'node:crypto';
import type { GraphQLFormattedError, GraphQLSchema } from 'graphql';
import type { Log } from '../../runtime/log.ts';
import { raceAbort } from '../../runtime/race-abort.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import type { ClientOperation } from '../execution/client-operation.ts';
import { type AuditedField, createFieldReader, findUnknownArguments } from './arguments.ts';
import { openAuditLog } from './log.ts';
import { outcomesOf } from './outcomes.ts';
import { createRefusalLimit } from './refusals.ts';

export type AuditConfig = {
  readonly file: string;
  /** The key of the chain's hashes. Without it, anyone who can write the file can also write a valid chain. */
  readonly key: string | undefined;
  /** The size from which a new file is begun, in bytes. */
  readonly maxBytes: number;
  /** Whether mutations are refused or allowed while the log cannot be written. */
  readonly failure: 'refuse' | 'allow';
  /** Coordinates of the arguments that are recorded, e.g. `refundPayment.input.paymentId`. */
  readonly arguments: readonly string[];
  /** SHA-256 of the configuration without secrets. It changes if the configuration does. */
  readonly configuration: string;
};

/** The sender of a request, the address, and the operation if it is known. */
export type AuditedRequest = {
  readonly identity?: Identity | undefined;
  /** The client's IP address. */
  readonly address?: string | undefined;
  /** The id of the trace that the request is part of, if any. */
  readonly traceId?: string | undefined;
  readonly operation?: { readonly name?: string | null | undefined; readonly hash?: string | undefined } | undefined;
};

/** A mutation that is about to be sent. */
export type AuditedMutation = {
  readonly id: string;
  readonly request: AuditedRequest;
  readonly fields: readonly AuditedField[];
};

/** A delivery to a webhook that does not prove to be the provider's. */
export type RefusedDelivery = Pick<AuditedRequest, 'address' | 'traceId'> & {
  readonly provider: string;
  /** What is wrong with its signature. */
  readonly reason: string;
};

export type Audit = {
  /** Records an event and flushes it to disk, e.g. the creation of an API key. Resolves to whether that succeeded. */
  readonly record: (event: string, details: Readonly<Record<string, unknown>>) => Promise<boolean>;
  /** Describes a mutation. Undefined if it changes nothing, such as one with only `__typename`. */
  readonly describeMutation: (
    request: AuditedRequest,
    operation: ClientOperation,
    variables: Readonly<Record<string, unknown>>,
  ) => AuditedMutation | undefined;
  /**
   * Records a mutation before it is sent and flushes the record to disk. Resolves to whether the mutation may be sent: not if
   * the log cannot be written and mutations are refused then. Rejects with the signal's reason when it fires.
   */
  readonly accept: (mutation: AuditedMutation, signal: AbortSignal) => Promise<boolean>;
  /** Records the outcome of a mutation by its response. */
  readonly finish: (
    mutation: AuditedMutation,
    response: { readonly data?: unknown; readonly errors?: readonly GraphQLFormattedError[] | undefined },
  ) => void;
  /** Records a refused request, if the code is that of a refusal. Limited per code. */
  readonly refused: (request: AuditedRequest, code: string, fields?: readonly string[]) => void;
  /** Records a delivery to a provider's webhook that was refused for its signature. Limited per provider. */
  readonly webhookRefused: (delivery: RefusedDelivery) => void;
  /** Logs configured arguments that the graph does not have. */
  readonly checkArguments: (schema: GraphQLSchema) => void;
  /** Details for `/health/ready`. */
  readonly health: () => Readonly<Record<string, string>>;
  readonly close: () => Promise<void>;
};

/** Codes of errors by which a request or a field is refused, as opposed to invalid or failed. */
export const REFUSAL_CODES: ReadonlySet<unknown> = new Set([
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'UNAUTHORIZED_FIELD_OR_TYPE',
  'OPERATION_LIMIT_EXCEEDED',
  'OPERATION_TOO_COMPLEX',
  'OVERLOADED',
  'RATE_LIMITED',
  'BUDGET_EXCEEDED',
  'LIMITS_UNAVAILABLE',
  'QUERY_NOT_IN_SAFELIST',
  'PERSISTED_QUERY_NOT_IN_LIST',
  'AUDIT_UNAVAILABLE',
]);

const MAX_NAME_CHARS = 200;
const MAX_FIELDS = 20;

/** Opens the audit log. Throws ConfigError if its file cannot be used. */
export const openAudit = async (config: AuditConfig, log: Log): Promise<Audit> => {
  const { failure } = config;
  const auditLog = await openAuditLog({ ...config, keepsFailed: failure === 'allow', log });
  const readFields = createFieldReader(config.arguments);
  const limit = createRefusalLimit((kind, suppressed) => {
    const [code, method] = kind.split(' ');
    auditLog.append({ event: 'request.refused', code, ...(method && { who: { method } }), suppressed });
  });
  const limitWebhooks = createRefusalLimit((provider, suppressed) => {
    auditLog.append({ event: 'webhook.refused', provider, suppressed });
  });

  return {
    record: (event, details) => auditLog.commit({ event, ...details }),
    describeMutation: (request, operation, variables) => {
      const fields = readFields(operation, variables);
      return fields.length > 0 ? { id: randomUUID(), request, fields } : undefined;
    },
    accept: async ({ id, request, fields }, signal) => {
      const written = auditLog.commit({
        event: 'mutation.accepted',
        mutation: id,
        ...describeRequest(request),
        fields: fields.map(({ name, arguments: values }) => ({ name, arguments: values })),
      });
      return (await raceAbort(written, signal)) || failure === 'allow';
    },
    finish: ({ id, fields }, response) =>
      auditLog.append({ event: 'mutation.finished', mutation: id, ...outcomesOf(fields, response) }),
    refused: (request, code, fields = []) => {
      if (!REFUSAL_CODES.has(code)) return;
      // Those without credentials cannot suppress the records of others.
      if (!limit.take(`${code} ${request.identity?.method ?? ''}`)) return;
      auditLog.append({
        event: 'request.refused',
        code,
        ...describeRequest(request),
        ...(fields.length > 0 && { fields: fields.slice(0, MAX_FIELDS) }),
      });
    },
    webhookRefused: ({ provider, reason, ...request }) => {
      if (!limitWebhooks.take(provider)) return;
      auditLog.append({ event: 'webhook.refused', provider, reason, ...describeRequest(request) });
    },
    checkArguments: (schema) => {
      const names = findUnknownArguments(schema, config.arguments);
      if (names.length > 0) log.warn({ names }, 'AUDIT_ARGUMENTS has arguments that the graph does not have.');
    },
    health: () => ({
      audit: auditLog.isWritable() ? 'ok' : 'unavailable',
      ...(auditLog.failures() > 0 && { auditFailures: String(auditLog.failures()) }),
    }),
    close: async () => {
      limit.close();
      limitWebhooks.close();
      await auditLog.close();
    },
  };
};

const describeRequest = ({ identity, address, traceId, operation }: AuditedRequest) => ({
  ...(identity && {
    who: {
      method: identity.method,
      subject: shorten(identity.subject),
      ...(identity.tenant && { tenant: identity.tenant }),
    },
  }),
  client: address,
  trace: traceId,
  ...(operation?.hash && { operation: { name: operation.name && shorten(operation.name), hash: operation.hash } }),
});

const shorten = (text: string): string => text.slice(0, MAX_NAME_CHARS);
