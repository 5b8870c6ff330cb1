import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  parse,
  type VariableDefinitionNode,
} from 'graphql';
import { monotonicNow } from '../../runtime/clock.ts';
import { isDisconnected, raceAbort } from '../../runtime/race-abort.ts';
import type { TurnQueue } from '../../runtime/turn-queue.ts';
import { toAbortError } from '../../subgraphs/kit/limits/timed-out.ts';
import type { CallStatsRow } from '../../telemetry/call-stats-row.ts';
import type { PlanEvent } from '../../telemetry/events.ts';
import type { PlanCacheState } from '../../telemetry/state.ts';
import { type AccessRule, readAccessRules } from '../auth/access-rules.ts';
import type { OperationCost } from '../cost/calls.ts';
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
import { type ConditionValues, conditionVariables, needsConditionValues } from './conditions.ts';
import { readEntityKeys } from './entity-keys.ts';
import { createOverrides, type OverrideConditions, type OverrideOptions } from './overrides.ts';
import { extractOperation, prepareOperation } from './prepare.ts';
import { compile, type ExecutionResponse, type Program, type RequestVariables } from './program.ts';
import { createProgramCache } from './program-cache.ts';
import { readRequirements } from './requirements.ts';
import { fragmentMap } from './selections.ts';
import { UnsupportedOperation } from './split.ts';
import { fetchesOf, fragmentsIn, UnsupportedPlan } from './steps.ts';
import type { SubgraphClient } from './subgraph-request.ts';
import { findAccessRules, type IsAuthorized } from './unauthorized-fields.ts';
import { coerceVariables } from './variables.ts';
import { withoutIntrospection } from './without-introspection.ts';

/** A client's operation, without variable values. */
export type ClientOperation = {
  readonly document: DocumentNode;
  readonly operationName: string | undefined;
  readonly variableDefinitions: readonly VariableDefinitionNode[];
  /** Hash of the document text. */
  readonly hash: string;
};

/** Decides what the sender of a request may read. */
export type GraphAuthorization<Context> = {
  /** Returns those of an operation's rules that a request does not satisfy. Undefined if it may read everything. */
  readonly findUnmet: (
    rules: readonly AccessRule[],
    operationName: string | undefined,
    context: Context,
  ) => readonly AccessRule[] | Promise<readonly AccessRule[]> | undefined;
  /** Whether an operation with unauthorized fields is rejected. Otherwise only these fields are null. */
  readonly rejects: boolean;
};

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
  readonly onPlan?: OnPlan<Context> | undefined;
};

/** Called when an operation has been planned and compiled, or could not be, for the request that came first. */
export type OnPlan<Context> = (event: Omit<PlanEvent, 'type'>, context: Context) => void;

/** The abort signal and the deadline of a request. */
export type RequestDeadline = {
  /** Fires when the request times out or its client disconnects. */
  readonly signal?: AbortSignal | undefined;
  /** In milliseconds of the monotonic clock. */
  readonly deadlineAt?: number | undefined;
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
};

type EndCalls = (wasExecuted: boolean) => readonly Readonly<CallStatsRow>[];

/** One version of the graph: a supergraph and the programs of the operations in use. */
export type Graph<Context> = {
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

/** An operation, and the keys of the access rules that a request with it did not satisfy. */
export type OperationInUse = ClientOperation & { readonly unmet?: ReadonlySet<string> };

type EstimateFor = (variables: Readonly<Record<string, unknown>>) => Estimate;

/** The cache entry of an operation. */
type CachedProgram<Context> = {
  readonly operation: OperationInUse;
  /**
   * The program; the response if the request may not read anything of the operation; or the names of the condition variables
   * whose values select a program.
   */
  readonly program: Program<Context> | ExecutionResponse | readonly string[];
  /** Approximate memory use, in bytes. */
  readonly bytes: number;
};

/** What the program of an operation depends on, besides the operation. */
type Variant = {
  readonly overrides: OverrideConditions;
  /** The operation's access rules that the request does not satisfy, in the order of the operation. */
  readonly unmet: readonly AccessRule[];
  /** The known values of variables in `@skip` and `@include`. */
  readonly conditions?: ConditionValues | undefined;
};

const NO_RULES: readonly AccessRule[] = [];

/** What an operation has been compiled to: its program, or the response to a request that may not read anything of it. */
type Selected<Context> = Program<Context> | ExecutionResponse;

const isNames = (program: CachedProgram<never>['program']): program is readonly string[] => Array.isArray(program);

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

// Measured: 150 heavy queries with plans of 8.1 kB each took 474 kB each, for documents and functions, including those of
// in-process subgraphs. The operation text, including comments, is added: every document retains its own.
const BYTES_PER_PLAN_CHARACTER = 60;
const BYTES_PER_TEXT_CHARACTER = 2;
const BYTES_PER_ENTRY = 1_000;

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
  const { apiSchema, supergraphSchema, supergraphSdl, clientOf, planner } = options;
  const { estimateLimits, turns, runningValues, introspection, authorization, callCosts } = options;
  const supergraph = parse(supergraphSdl, { noLocation: true });
  const requirements = readRequirements(supergraph, supergraphSchema);
  const { requiredBy } = requirements;
  const keysOf = readEntityKeys(supergraph);
  const accessRules = authorization && readAccessRules(supergraph, supergraphSchema);
  const costs = readCostDirectives(supergraph);
  const introspectionSize = measureIntrospection(apiSchema);
  const limits = { ...estimateLimits, maxIntrospected: introspectionSize.limit };
  const decideOverrides = createOverrides(supergraph, requirements.fieldNames, options.overrides);
  const programs = createProgramCache<CachedProgram<Context>>({
    maxEntries: options.maxPrograms,
    maxBytes: options.maxProgramBytes,
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

  const compileProgram = async (
    operation: ClientOperation,
    { overrides, unmet, conditions }: Variant,
  ): Promise<CachedProgram<Context>> => {
    const { document, operationName } = operation;
    const textBytes = BYTES_PER_ENTRY + (document.loc?.source.body.length ?? 0) * BYTES_PER_TEXT_CHARACTER;
    const inUse = { ...operation, unmet: new Set(unmet.map(({ key }) => key)) };
    if (unmet.length > 0 && !conditions) {
      // Only a selected field can be unauthorized.
      const variables = conditionVariables(extractOperation(document, operationName));
      if (variables.length > 0) return { operation: inUse, bytes: textBytes, program: variables };
    }
    let turn = turns.take();
    if (turn) await turn;
    const isAuthorized: IsAuthorized = (typename, field) =>
      accessRules?.ofField(typename, field).every((rule) => !unmet.includes(rule)) ?? true;
    const prepared = prepareOperation(apiSchema, requirements, document, operationName, {
      conditions,
      ...(unmet.length > 0 && { isAuthorized }),
    });
    const { unauthorized } = prepared;
    if (prepared.parts.length === 0 || (authorization?.rejects && unauthorized.length > 0)) {
      return { operation: inUse, bytes: textBytes, program: { data: null, errors: unauthorized, stale: [] } };
    }
    const plans = await Promise.all(
      prepared.parts.map((part) => planner.plan(withoutIntrospection(part), overrides.values)),
    );
    turn = turns.take();
    if (turn) await turn;
    const steps = plans.map(({ step }) => step);
    const planCharacters = plans.reduce((sum, { characters }) => sum + characters, 0);
    const bytes = planCharacters * BYTES_PER_PLAN_CHARACTER + textBytes;
    const needsValues =
      !conditions &&
      prepared.parts.some((part) => needsConditionValues(part, steps.flatMap(fetchesOf), requirements.keyFieldNames));
    if (needsValues) {
      const variables = prepared.parts.flatMap(conditionVariables).map(prepared.clientVariable);
      return { operation: inUse, bytes, program: [...new Set(variables)] };
    }
    turn = turns.take();
    if (turn) await turn;
    const callCosts = { ...options.callCosts, costDirectives: costs, assumedListSize: estimateLimits.assumedListSize };
    const sources = { apiSchema, supergraphSchema, requiredBy, keysOf, clientOf, callCosts };
    const program = await compile({ ...sources, prepared, steps, takeTurn: () => turns.take() });
    return { operation: inUse, bytes, program };
  };

  /** Compiles the program of an operation for the request that came first. */
  const compileFirst = async (
    operation: ClientOperation,
    variant: Variant,
    context: Context,
  ): Promise<CachedProgram<Context>> => {
    const startedAt = monotonicNow();
    const announce = (isFailed: boolean) =>
      options.onPlan?.({ isFailed, startedAt, durationMs: monotonicNow() - startedAt }, context);
    try {
      const compiled = await compileProgram(operation, variant);
      announce(false);
      return compiled;
    } catch (error) {
      announce(true);
      throw error;
    }
  };

  const keyOf = ({ operationName = '', hash }: ClientOperation): string => `${operationName} ${hash}`;

  const variantKey = (operation: ClientOperation, { overrides, unmet }: Variant): string =>
    `${keyOf(operation)} ${overrides.key}${unmet.map((rule) => ` ${rule.key}`).join('')}`;

  /** Returns the estimate of an operation. Throws a GraphQLError if it exceeds the limits. */
  const estimateWithinLimits = (operation: ClientOperation, { coerced }: RequestVariables): Estimate => {
    const estimate = estimateFor(operation)(coerced);
    checkEstimate(estimate, limits);
    return estimate;
  };

  /** Returns an operation's program, or a promise of it if it must be planned and compiled first. */
  const programFor = (
    operation: ClientOperation,
    { coerced }: RequestVariables,
    unmet: readonly AccessRule[],
    context: Context,
  ): Selected<Context> | Promise<Selected<Context>> => {
    const overrides = decideOverrides(operation.document);
    const key = variantKey(operation, { overrides, unmet });
    const cached = programs.get(key)?.program;
    if (cached && !isNames(cached)) return cached;
    const compileFor = async (): Promise<Selected<Context>> => {
      const { program } = await programs.getOrCompile(key, () =>
        compileFirst(operation, { overrides, unmet }, context),
      );
      if (!isNames(program)) return program;
      const conditions = Object.fromEntries(program.map((name) => [name, coerced[name]]));
      const specialized = await programs.getOrCompile(`${key} ${JSON.stringify(conditions)}`, () =>
        compileFirst(operation, { overrides, unmet, conditions }, context),
      );
      return specialized.program as Selected<Context>;
    };
    return compileFor();
  };

  const run = async (
    program: Program<Context>,
    { values, introspected }: Estimate,
    variables: RequestVariables,
    context: Context,
    { signal, deadlineAt }: RequestDeadline,
    onStart: () => void,
  ): Promise<ExecutionResponse> => {
    const totalValues = values + introspected;
    const createBudget = () => createResponseBudget(options.maxAnswerValues, deadlineAt);
    if (totalValues < LARGE_RESPONSE_VALUES) {
      onStart();
      return program.execute(variables, context, { createBudget });
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
      return await program.execute(variables, context, { takeTurn, createBudget });
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

  return {
    validate,
    execute: async (operation, raw, context, { beforeMutation, isExplained, deadline = {} } = {}) => {
      const { signal } = deadline;
      const { variableDefinitions } = operation;
      const { errors, coerced } = coerceVariables(apiSchema, variableDefinitions, raw, { suggestions: introspection });
      if (errors) return { errors, stale: [] };
      const nullVariable = findNullCondition(operation, coerced);
      if (nullVariable !== undefined) return toErrorResponse(nullConditionError(nullVariable));
      const variables = { raw, coerced };
      let hasStarted = false;
      try {
        const estimate = estimateWithinLimits(operation, variables);
        const rules = authorization ? rulesFor(operation) : NO_RULES;
        const found = rules.length > 0 ? authorization?.findUnmet(rules, nameOf(operation), context) : undefined;
        const unmet = found instanceof Promise ? await raceAbort(found, signal) : found;
        const pending = programFor(operation, variables, unmet ?? NO_RULES, context);
        const program = pending instanceof Promise ? await raceAbort(pending, signal) : pending;
        if (!('execute' in program)) return program;
        const input = { ...callCosts.inputOf(context), variables: program.planVariables(variables) };
        if (isExplained) {
          const cost = program.calls.estimateNow(input);
          const waits = forecastWaits(cost, callCosts.providerOf);
          return {
            ...NOTHING_FETCHED,
            explanation: { cost, objects: estimate.objects, plan: program.explain(), waits },
          };
        }
        const cost = program.calls.estimate(input);
        const beginning = callCosts.begin(cost, context, { isMutation: isMutation(operation) });
        const endCalls = beginning instanceof Promise ? await beginning : beginning;
        let response: ExecutionResponse | undefined;
        try {
          if (beforeMutation) await beforeMutation(operation, coerced);
          // Nothing has started yet, so no part of a mutation has been executed.
          signal?.throwIfAborted();
          response = await run(program, estimate, variables, context, deadline, () => {
            hasStarted = true;
          });
        } finally {
          const rows = endCalls(hasStarted);
          // A failure tells nothing of the usual costs.
          if (response?.errors.length === 0) record(program, input, rows, response.data);
        }
        return unmet ? { ...response, isPersonal: true } : response;
      } catch (error) {
        if (hasStarted && isMutation(operation)) return outcomeUnknown();
        return toErrorResponse(signal?.aborted && error === signal.reason ? toAbortError(signal) : error);
      }
    },
    planCache: programs.state,
    operations: () => [
      ...new Map(
        [...programs.entries()].map(({ operation }) => [
          [keyOf(operation), ...(operation.unmet ?? [])].join(' '),
          operation,
        ]),
      ).values(),
    ],
    warm: async (operation) => {
      if ((await validate(operation.document)).length > 0) return;
      const unmet = rulesFor(operation).filter(({ key }) => operation.unmet?.has(key));
      const variant = { overrides: decideOverrides(operation.document), unmet };
      await programs.getOrCompile(variantKey(operation, variant), () => compileProgram(operation, variant));
    },
  };
};

/** Caches a function of an operation for as long as its document is in use. */
const memoizeByOperation = <Value>(compute: (document: DocumentNode, operationName: string | undefined) => Value) => {
  const cache = new WeakMap<DocumentNode, Map<string | undefined, Value>>();
  return ({ document, operationName }: ClientOperation): Value => {
    const known = cache.get(document)?.get(operationName);
    if (known !== undefined) return known;
    const value = compute(document, operationName);
    const ofDocument = cache.get(document) ?? new Map<string | undefined, Value>();
    cache.set(document, ofDocument.set(operationName, value));
    return value;
  };
};

/** Returns a variable of `@skip` or `@include` that is null. The specification allows null if the variable has a default. */
const findNullCondition = (
  { document }: ClientOperation,
  coerced: Readonly<Record<string, unknown>>,
): string | undefined =>
  Object.values(coerced).includes(null)
    ? conditionVariables(document).find((name) => coerced[name] === null)
    : undefined;

const nullConditionError = (variable: string): GraphQLError =>
  new GraphQLError(`Variable "$${variable}" must not be null where @skip or @include depends on it.`, {
    extensions: { code: 'BAD_USER_INPUT', http: { status: 400 } },
  });

const nameOf = ({ document, operationName }: ClientOperation): string | undefined =>
  getOperationAST(document, operationName)?.name?.value;

const isMutation = ({ document, operationName }: ClientOperation): boolean =>
  getOperationAST(document, operationName)?.operation === 'mutation';

/** The response to a mutation that was sent but whose result could not be assembled. */
const outcomeUnknown = (): ExecutionResponse => ({
  errors: [
    {
      message: 'The outcome of the mutation is unknown: its response could not be assembled. Check before you retry.',
      extensions: { code: 'UPSTREAM_OUTCOME_UNKNOWN' },
    },
  ],
  stale: [],
});

/** The response to an operation that cannot be compiled. Rethrows internal errors. */
const toErrorResponse = (error: unknown): ExecutionResponse => {
  const errorResponse = (message: string, code: string): ExecutionResponse => ({
    errors: [{ message, extensions: { code } }],
    stale: [],
  });
  if (error instanceof GraphQLError) return { errors: [error], stale: [] };
  if (error instanceof UnsupportedOperation || error instanceof UnsupportedPlan) {
    return errorResponse(error.message, 'OPERATION_UNRESOLVABLE');
  }
  // The planner and the compiler are recursive. V8's stack overflows at about a thousand levels.
  if (error instanceof RangeError)
    return errorResponse('The operation is nested too deeply.', 'GRAPHQL_VALIDATION_FAILED');
  throw error;
};
