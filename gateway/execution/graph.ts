import { type DocumentNode, type GraphQLError, type GraphQLSchema, getOperationAST, parse } from 'graphql';
import { monotonicNow } from '../../runtime/clock.ts';
import { isDisconnected, raceAbort } from '../../runtime/race-abort.ts';
import type { TurnQueue } from '../../runtime/turn-queue.ts';

import type { CallStatsRow } from '../../telemetry/call-stats-row.ts';
import type { PlanCacheState } from '../../telemetry/state.ts';
import { type AccessRule, readAccessRules } from '../auth/access-rules.ts';
import type { ExceededBudget, OperationCost } from '../cost/calls.ts';
import { readCostDirectives } from '../cost/cost-directives.ts';
import { createEstimate, type Estimate } from '../cost/estimate.ts';
import type { EstimateInput } from '../cost/estimate-calls.ts';
import { checkEstimate, type EstimateLimits } from '../cost/estimate-limits.ts';
import { measureIntrospection } from '../cost/introspection-size.ts';
import type { OperationCallOptions } from '../cost/operation-calls.ts';
import { createResponseBudget } from '../cost/response-budget.ts';
import type { RunningValues } from '../cost/running-values.ts';
import { isLargeDocument } from '../planning/large-documents.ts';
import type { Planner } from '../planning/planner.ts';
import { validateDocument } from '../planning/validate.ts';
import { type ClientOperation, kindOf, memoizeByOperation, nameOf, type OperationInUse } from './client-operation.ts';
import { hasDefer } from './defer-directives.ts';
import type { Recipient } from './delivery.ts';
import { readEntityAccess } from './entity-access.ts';
import { readEntityKeys } from './entity-keys.ts';
import { findNullCondition, nullConditionError, outcomeUnknown, toFailure } from './failed-execution.ts';
import { createOverrides, type OverrideOptions } from './overrides.ts';
import { extractOperation } from './prepare.ts';
import {
  createSubscriptionPreparer,
  type LiveQueries,
  type SelectedOperation,
  type SubscriptionPreparer,
} from './prepare-subscription.ts';
import type { ExecutionResponse, Program, RequestVariables } from './program.ts';
import { createPrograms, type OnPlan } from './programs.ts';
import type { GraphAuthorization, RequestDeadline } from './request-rights.ts';
import { readRequirements } from './requirements.ts';
import { fragmentMap } from './selections.ts';
import { fragmentsIn } from './steps.ts';
import type { SubgraphClient, SubgraphResponse } from './subgraph-request.ts';
import { findAccessRules } from './unauthorized-fields.ts';
import { coerceVariables } from './variables.ts';

export type GraphOptions<Context> = {
  readonly planner: Planner;
  readonly apiSchema: GraphQLSchema;
  readonly supergraphSchema: GraphQLSchema;
  readonly supergraphSdl: string;
  readonly overrides: OverrideOptions;
  readonly clientOf: (subgraph: string) => SubgraphClient<Context>;
  /** Maximum number of cached programs, and their approximate total size in bytes. */
  readonly maxPrograms: number;
  readonly maxProgramBytes: number;
  readonly estimateLimits: EstimateLimits;
  /** Maximum number of values in a response, regardless of the estimate. */
  readonly maxAnswerValues: number;
  /** Yields between long stretches of synchronous work. */
  readonly turns: TurnQueue;
  /** Bounds the values of all large responses in progress. */
  readonly runningValues: RunningValues;
  /** Whether clients may read the schema, by introspection or in error messages. */
  readonly introspection: boolean;
  /** By default, every request may read everything. */
  readonly authorization?: GraphAuthorization<Context> | undefined;
  readonly callCosts: GraphCallCosts<Context>;
  /** What live queries need. Undefined where nothing is known of changes. */
  readonly live?: LiveQueries<Context> | undefined;
  readonly onPlan?: OnPlan<Context> | undefined;
};

/** Called with a mutation and its coerced variables immediately before it is sent. Throws a GraphQLError to refuse it. */
export type BeforeMutation = (
  operation: ClientOperation,
  variables: Readonly<Record<string, unknown>>,
) => Promise<void>;

/** Controls of one execution, all optional. */
export type ExecuteOptions = {
  readonly deadline?: RequestDeadline | undefined;
  readonly beforeMutation?: BeforeMutation | undefined;
  /** Receives the response in parts, if the operation defers any. */
  readonly recipient?: Recipient | undefined;
  /** Whether the operation is only explained: nothing is fetched. */
  readonly isExplained?: boolean | undefined;
};

/** The provider calls of operations: what is known of the providers, and who is told of each request's. */
export type GraphCallCosts<Context> = Pick<OperationCallOptions, 'providerOf' | 'measurements'> & {
  readonly inputOf: (context: Context) => Omit<EstimateInput, 'variables'>;
  /** Receives an error in measuring an operation that has been carried out. */
  readonly onError: (error: unknown) => void;
  /**
   * Called before anything is fetched. Throws a GraphQLError to refuse the operation. Returns a function to call when it has
   * ended, or was not executed after all, which returns the provider calls that it has made.
   */
  readonly begin: (
    cost: OperationCost,
    context: Context,
    options: { readonly isMutation: boolean },
  ) => EndCalls | Promise<EndCalls>;
  /** Returns the budget for which `begin` would refuse an operation now. */
  readonly preview: (cost: OperationCost, context: Context) => Promise<ExceededBudget | undefined>;
};

type EndCalls = (wasExecuted: boolean) => readonly Readonly<CallStatsRow>[];

/** One version of the graph: a supergraph and the programs of the operations in use. */
export type Graph<Context> = SubscriptionPreparer<Context> & {
  /** Validates a document. Returns no errors if it is valid. */
  readonly validate: (document: DocumentNode) => Promise<readonly GraphQLError[]>;
  readonly execute: (
    operation: ClientOperation,
    variables: Readonly<Record<string, unknown>>,
    context: Context,
    options?: ExecuteOptions,
  ) => Promise<ExecutionResponse>;
  /** Operations with a cached program, most recently used first. */
  readonly operations: () => OperationInUse[];
  /** Compiles the program of an operation of another version, unless it is invalid in this version. */
  readonly warm: (operation: OperationInUse) => Promise<void>;
  /** Returns the number and size of the cached programs. */
  readonly planCache: () => PlanCacheState;
};

type CarryOutOptions = {
  /** Reads the event of a subscription. */
  readonly event?: (() => Promise<SubgraphResponse>) | undefined;
  /** Called immediately before the first fetch. */
  readonly onStart?: (() => void) | undefined;
};

type RunOptions = Pick<CarryOutOptions, 'event'> & Pick<ExecuteOptions, 'recipient'>;

type EstimateFor = (variables: Readonly<Record<string, unknown>>) => Estimate;

const NO_RULES: readonly AccessRule[] = [];

/** Estimates how long the expected calls would wait for permits now, by subgraph. */
const forecastWaits = (
  { operations, bySubgraph }: OperationCost,
  providerOf: OperationCallOptions['providerOf'],
): ReadonlyMap<string, number> =>
  new Map(
    [...bySubgraph.keys()].flatMap((subgraph) => {
      const own = operations.filter((one) => one.subgraph === subgraph);
      const waitMs = providerOf(subgraph)?.forecast?.(
        new Map(own.map(({ operation, expected }) => [operation, expected])),
      );
      return waitMs === undefined ? [] : [[subgraph, waitMs] as const];
    }),
  );

const NOTHING_FETCHED: ExecutionResponse = { data: null, errors: [], stale: [] };

/** Number of values from which a response shares the thread with others by taking turns. */
const LARGE_RESPONSE_VALUES = 500;

/**
 * Time per value within which a response is due, in milliseconds.
 *
 * About forty times the actual cost: `npm run abuse` measured 17 to 21 responses of 49,000 values per second. Responses of
 * equal size are therefore produced one after the other rather than all at once, and a smaller one does not wait for all the
 * larger ones before it.
 */
const DUE_MS_PER_VALUE = 0.05;

/** Creates a version of the graph. Operations are planned and compiled on first use. */
export const createGraph = <Context>(options: GraphOptions<Context>): Graph<Context> => {
  const { apiSchema, supergraphSchema, supergraphSdl, planner } = options;
  const { estimateLimits, turns, runningValues, introspection, authorization, callCosts } = options;
  const supergraph = parse(supergraphSdl, { noLocation: true });
  const requirements = readRequirements(supergraph, supergraphSchema);
  const accessRules = authorization && readAccessRules(supergraph, supergraphSchema);
  const costs = readCostDirectives(supergraph);
  const introspectionSize = measureIntrospection(apiSchema);
  const limits = { ...estimateLimits, maxIntrospected: introspectionSize.limit };
  const programs = createPrograms<Context>({
    ...options,
    requirements,
    requiredBy: requirements.requiredBy,
    keysOf: readEntityKeys(supergraph),
    splitting: { ...requirements, access: readEntityAccess(supergraph) },
    accessRules,
    rejects: authorization?.rejects ?? false,
    decideOverrides: createOverrides(supergraph, requirements.fieldNames, options.overrides),
    callCosts: { ...callCosts, costDirectives: costs, assumedListSize: estimateLimits.assumedListSize },
  });

  // Also for operations that are rejected again and again, for which nothing else is cached.
  const estimateFor = memoizeByOperation((document, operationName): EstimateFor => {
    const operation = getOperationAST(document, operationName);
    if (!operation) throw new Error('The document does not contain the requested operation.');
    const fragments = fragmentMap(fragmentsIn(document));
    const { assumedListSize } = estimateLimits;
    const introspectionLists = introspectionSize.lists;
    return createEstimate({ schema: apiSchema, costs, operation, fragments, assumedListSize, introspectionLists });
  });

  const rulesFor = memoizeByOperation((document, operationName): readonly AccessRule[] =>
    accessRules ? findAccessRules(apiSchema, accessRules, extractOperation(document, operationName)) : [],
  );

  const defersFor = memoizeByOperation((document, operationName): boolean =>
    hasDefer(extractOperation(document, operationName)),
  );

  /** Returns the estimate of an operation. Throws a GraphQLError if it exceeds the limits. */
  const estimateWithinLimits = (operation: ClientOperation, { coerced }: RequestVariables): Estimate => {
    const estimate = estimateFor(operation)(coerced);
    checkEstimate(estimate, limits);
    return estimate;
  };

  const run = async (
    program: Program<Context>,
    { values, introspected }: Estimate,
    variables: RequestVariables,
    context: Context,
    { signal, deadlineAt, event, recipient }: RequestDeadline & RunOptions,
    onStart: () => void,
  ): Promise<ExecutionResponse> => {
    const totalValues = values + introspected;
    const createBudget = () => createResponseBudget(options.maxAnswerValues, deadlineAt);
    if (totalValues < LARGE_RESPONSE_VALUES) {
      onStart();
      return program.execute(variables, context, { createBudget, event, recipient });
    }
    const release = await runningValues.reserve(totalValues, signal);
    onStart();
    const dueAt = Math.min(deadlineAt ?? Number.POSITIVE_INFINITY, monotonicNow() + totalValues * DUE_MS_PER_VALUE);
    // A request that times out still gets a response, with the data fetched so far.
    const hasLeft = (): boolean => signal !== undefined && isDisconnected(signal);
    const takeTurn = (): Promise<void> | undefined =>
      hasLeft()
        ? Promise.reject(signal?.reason)
        : turns.take(dueAt)?.then(() => {
            if (hasLeft()) throw signal?.reason;
          });
    try {
      return await program.execute(variables, context, { takeTurn, createBudget, event, recipient });
    } finally {
      release();
    }
  };

  /** Measures what an operation has cost. It has been carried out, so that this must not fail it. */
  const record = (
    ...[program, ...measured]: [Program<Context>, ...Parameters<Program<Context>['calls']['record']>]
  ) => {
    try {
      program.calls.record(...measured);
    } catch (error) {
      callCosts.onError(error);
    }
  };

  const validate = async (document: DocumentNode): Promise<readonly GraphQLError[]> => {
    const text = document.loc?.source.body;
    return text !== undefined && isLargeDocument(document)
      ? planner.validate(text)
      : validateDocument(apiSchema, document, { introspection });
  };

  /** Reads a request's variables, and selects its program. Returns a response if there is nothing to execute. */
  const select = async (
    operation: ClientOperation,
    raw: Readonly<Record<string, unknown>>,
    context: Context,
    { signal, recipient }: Pick<RequestDeadline, 'signal'> & Pick<ExecuteOptions, 'recipient'>,
  ): Promise<SelectedOperation<Context> | ExecutionResponse> => {
    const { variableDefinitions } = operation;
    const { errors, coerced } = coerceVariables(apiSchema, variableDefinitions, raw, { suggestions: introspection });
    if (errors) return { errors, stale: [] };
    const nullVariable = findNullCondition(operation, coerced);
    if (nullVariable !== undefined) throw nullConditionError(nullVariable);
    const variables = { raw, coerced };
    const estimate = estimateWithinLimits(operation, variables);
    const rules = authorization ? rulesFor(operation) : NO_RULES;
    const found = rules.length > 0 ? authorization?.findUnmet(rules, nameOf(operation), context) : undefined;
    const unmet = found instanceof Promise ? await raceAbort(found, signal) : found;
    const isDeferred = recipient !== undefined && kindOf(operation) === 'query' && defersFor(operation);
    const pending = programs.programFor(operation, variables, { unmet: unmet ?? NO_RULES, isDeferred }, context);
    const program = pending instanceof Promise ? await raceAbort(pending, signal) : pending;
    return 'execute' in program ? { operation, program, estimate, variables, rules, unmet } : program;
  };

  const inputOf = ({ program, variables }: SelectedOperation<Context>, context: Context): EstimateInput => ({
    ...callCosts.inputOf(context),
    variables: program.planVariables(variables),
  });

  /** Executes a selected operation within its budgets, and measures what it costs. */
  const carryOut = async (
    selected: SelectedOperation<Context>,
    context: Context,
    { deadline = {}, beforeMutation, recipient, event, onStart }: ExecuteOptions & CarryOutOptions,
  ): Promise<ExecutionResponse> => {
    const { operation, program, estimate, variables } = selected;
    const isMutation = kindOf(operation) === 'mutation';
    const input = inputOf(selected, context);
    const cost = program.calls.estimate(input);
    const beginning = callCosts.begin(cost, context, { isMutation });
    const endCalls = beginning instanceof Promise ? await beginning : beginning;
    let response: ExecutionResponse | undefined;
    let hasStarted = false;
    try {
      if (beforeMutation) await beforeMutation(operation, variables.coerced);
      // Nothing has started yet, so no part of a mutation has been executed.
      deadline.signal?.throwIfAborted();
      response = await run(program, estimate, variables, context, { ...deadline, event, recipient }, () => {
        hasStarted = true;
        onStart?.();
      });
    } finally {
      const rows = endCalls(hasStarted);
      // A failure tells nothing of the usual costs.
      if (response?.errors.length === 0) record(program, input, rows, response.data);
    }
    return selected.unmet ? { ...response, isPersonal: true } : response;
  };

  return {
    validate,
    execute: async (operation, raw, context, options = {}) => {
      const { deadline: { signal } = {}, recipient } = options;
      let hasStarted = false;
      try {
        const selected = await select(operation, raw, context, { signal, recipient });
        if (!('program' in selected)) return selected;
        if (options.isExplained) {
          const { program, estimate } = selected;
          const cost = program.calls.estimateNow(inputOf(selected, context));
          const waits = forecastWaits(cost, callCosts.providerOf);
          const exceeded = await callCosts.preview(cost, context);
          return {
            ...NOTHING_FETCHED,
            explanation: { cost, objects: estimate.objects, plan: program.explain(), waits, exceeded },
          };
        }
        const onStart = () => {
          hasStarted = true;
        };
        return await carryOut(selected, context, { ...options, onStart });
      } catch (error) {
        if (hasStarted && kindOf(operation) === 'mutation') return outcomeUnknown();
        return toFailure(error, signal);
      }
    },
    ...createSubscriptionPreparer<Context>({
      select,
      carryOut,
      findUnmet: authorization?.findUnmet,
      live: options.live,
    }),
    planCache: programs.state,
    operations: programs.operations,
    warm: async (operation) => {
      if ((await validate(operation.document)).length > 0) return;
      const { isDeferred = false } = operation;
      await programs.warm(operation, {
        unmet: rulesFor(operation).filter(({ key }) => operation.unmet?.has(key)),
        isDeferred,
      });
    },
  };
};
