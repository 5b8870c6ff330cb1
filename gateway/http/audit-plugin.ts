import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { ApolloServerPlugin } from '@apollo/server';
import type { FastifyRequest } from 'fastify';
import { type FieldNode, GraphQLError, Kind, type OperationDefinitionNode } from 'graphql';
import product from '../../package.json' with { type: 'json' };
import type { Log } from '../../runtime/log.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import {
  type Audit,
  type AuditConfig,
  type AuditedMutation,
  type AuditedRequest,
  openAudit,
  REFUSAL_CODES,
} from '../audit/audit.ts';
import type { RequestContext } from './context.ts';

export type GatewayAudit = Pick<Audit, 'webhookRefused' | 'health' | 'close'> & {
  readonly plugin: ApolloServerPlugin<RequestContext>;
  /** Records a request that is refused before it reaches Apollo Server. */
  readonly onRefusal: (
    request: Pick<FastifyRequest, 'ip'>,
    code: string,
    from: { readonly identity: Identity | undefined; readonly traceId: string | undefined },
  ) => void;
};

/** Opens the audit log and records the start of this process. Throws ConfigError if the log's file cannot be used. */
export const startAudit = async (config: AuditConfig, log: Log): Promise<GatewayAudit> => {
  const audit = await openAudit(config, log);
  void audit.record('gateway.started', {
    version: product.version,
    host: hostname(),
    pid: process.pid,
    configuration: config.configuration,
  });
  return {
    webhookRefused: audit.webhookRefused,
    health: audit.health,
    close: audit.close,
    plugin: createAuditPlugin(audit),
    onRefusal: ({ ip }, code, { identity, traceId }) => audit.refused({ identity, address: ip, traceId }, code),
  };
};

/** Records mutations, refused operations, and the supergraphs that are served. */
const createAuditPlugin = (audit: Audit): ApolloServerPlugin<RequestContext> => ({
  serverWillStart: async () => ({
    schemaDidLoadOrUpdate: ({ apiSchema, coreSupergraphSdl = '' }) => {
      audit.checkArguments(apiSchema);
      void audit.record('supergraph.loaded', { sha256: createHash('sha256').update(coreSupergraphSdl).digest('hex') });
    },
  }),
  requestDidStart: async ({ contextValue }) => {
    let mutation: AuditedMutation | undefined;
    const describe = (operation: AuditedRequest['operation']): AuditedRequest => ({
      identity: contextValue.identity,
      address: contextValue.address(),
      traceId: contextValue.traceId,
      operation,
    });
    return {
      didResolveOperation: async ({ operation, operationName, queryHash }) => {
        if (operation?.operation !== 'mutation') return;
        const request = describe({ name: operationName, hash: queryHash });
        contextValue.beforeMutation = async (executed, variables) => {
          mutation = audit.describeMutation(request, executed, variables);
          if (!mutation || (await audit.accept(mutation, contextValue.options.signal))) return;
          mutation = undefined;
          throw unavailable();
        };
      },
      willSendResponse: async ({ response: { body }, operation, operationName, queryHash }) => {
        if (body.kind !== 'single') return;
        if (mutation) audit.finish(mutation, body.singleResult);
        // At a field, a budget has ended while the operation ran.
        const refusals = body.singleResult.errors?.filter(
          ({ extensions, path }) => extensions?.['code'] !== 'BUDGET_EXCEEDED' || path === undefined,
        );
        const codes = new Set(refusals?.map(({ extensions }) => extensions?.['code']));
        for (const code of codes) {
          if (!REFUSAL_CODES.has(code)) continue;
          audit.refused(describe({ name: operationName, hash: queryHash }), String(code), rootFieldsOf(operation));
        }
      },
    };
  },
});

const unavailable = (): GraphQLError =>
  new GraphQLError('The audit log cannot be written, so the mutation was not sent. Retry it later.', {
    extensions: { code: 'AUDIT_UNAVAILABLE', http: { status: 503, headers: new Map([['retry-after', '1']]) } },
  });

/** Returns the names of the fields at an operation's root, except those in fragments and meta fields. */
const rootFieldsOf = (operation: OperationDefinitionNode | undefined): string[] =>
  (operation?.selectionSet.selections ?? [])
    .filter((one): one is FieldNode => one.kind === Kind.FIELD)
    .map(({ name }) => name.value)
    .filter((name) => !name.startsWith('__'));
