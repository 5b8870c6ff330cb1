import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  parse,
  type VariableDefinitionNode,
} from 'graphql';
import { monotonicNow } from '../../runtime/clock.ts';
import { raceAbort } from '../../runtime/race-abort.ts';
import type { TurnQueue } from '../../runtime/turn-queue.ts';
import { timedOut } from '../../subgraphs/kit/limits/timed-out.ts';
import { createAnswerBudget } from '../cost/answer-budget.ts';
import { readCostDirectives } from '../cost/cost-directives.ts';
import { createEstimate, type Estimate } from '../cost/estimate.ts';
import { checkEstimate, type EstimateLimits } from '../cost/estimate-limits.ts';
import { measureIntrospection } from '../cost/introspection-size.ts';
import type { RunningValues } from '../cost/running-values.ts';
import { createPlan, isLargeDocument, type PlanOptions } from '../planning/plan.ts';
import { validateDocument } from '../planning/validate.ts';
import { type ConditionValues, conditionVariables, needsValues } from './conditions.ts';
import { createOverrides, type OverrideConditions, type OverrideOptions } from './overrides.ts';
import { prepareOperation } from './prepare.ts';
import { type Answer, compile, type Program, type RequestVariables } from './program.ts';
import { createProgramCache } from './program-cache.ts';
import { readRequirements } from './requirements.ts';
import { fragmentMap } from './selections.ts';
import { UnsupportedOperation } from './split.ts';
import { fetchesOf, fragmentsIn, readPlan, UnsupportedPlan } from './steps.ts';
import type { SubgraphClient } from './subgraph-request.ts';
import { coerceVariables } from './variables.ts';
import { withoutIntrospection } from './without-introspection.ts';

/** An operation of a client, as it is known before its variables are. */
export type ClientOperation = {
  readonly document: DocumentNode;
  readonly operationName: string | undefined;
  readonly variableDefinitions: readonly VariableDefinitionNode[];
  /** The same for the same text. */
  readonly hash: string;
};

export type GraphOptions<Context> = PlanOptions & {
  readonly apiSchema: GraphQLSchema;
  readonly supergraphSchema: GraphQLSchema;
  readonly supergraphSdl: string;
  readonly overrides: OverrideOptions;
  readonly clientOf: (subgraph: string) => SubgraphClient<Context>;
  /** How many programs are kept, and about how much memory they may take, in bytes. */
  readonly maxPrograms: number;
  readonly maxProgramBytes: number;
  readonly estimateLimits: EstimateLimits;
  /** Values that an answer may have, whatever its estimate was. */
  readonly maxAnswerValues: number;
  /** Spaces out what keeps this thread busy for long, and bounds what all such requests hold at once. */
  readonly turns: TurnQueue;
  readonly runningValues: RunningValues;
  /** Whether clients may read the schema, by introspection or in error messages. */
  readonly introspection: boolean;
};

/** When a request ends. */
export type RequestTime = {
  /** Fires when the request's time is up or its client has left. */
  readonly signal?: AbortSignal | undefined;
  /** In milliseconds of the monotonic clock. */
  readonly deadlineAt?: number | undefined;
};

/** One version of the graph: a supergraph, and the programs of the operations that are in use. */
export type Graph<Context> = {
  /** Errors of a document; none where it is valid. */
  readonly validate: (document: DocumentNode) => Promise<readonly GraphQLError[]>;
  readonly execute: (
    operation: ClientOperation,
    variables: Readonly<Record<string, unknown>>,
    context: Context,
    time?: RequestTime,
  ) => Promise<Answer>;
  /** The operations whose programs are kept, those asked for last first. */
  readonly operations: () => ClientOperation[];
  /** Makes the program of an operation that another version had, unless this version does not allow it. */
  readonly warm: (operation: ClientOperation) => Promise<void>;
};

type EstimateFor = (variables: Readonly<Record<string, unknown>>) => Estimate;

/** What is cached of an operation. */
type CachedProgram<Context> = {
  readonly operation: ClientOperation;
  /** The program, or the variables whose values one has to know to have a program. */
  readonly program: Program<Context> | readonly string[];
  /** About how much memory it takes. */
  readonly bytes: number;
};

// Measured: 150 heavy queries with plans of 8.1 kB each took 474 kB each, documents and functions together, those of
// subgraphs in this process too. The text of the operation, comments and all, comes on top: every document holds on to
// its own.
const BYTES_PER_PLAN_CHARACTER = 60;
const BYTES_PER_TEXT_CHARACTER = 2;

/** Values from which on an answer takes turns with others. */
const MANY_VALUES = 500;

/**
 * Time for each value of an answer within which the answer is due, in milliseconds. That is about forty times what it
 * takes to make: npm run abuse measured 17 to 21 answers of 49,000 values a second. So answers of one size are made one
 * after the other, not all at the same time, and a smaller one does not wait for all the larger ones before it.
 */
const DUE_MS_PER_VALUE = 0.05;

/** Makes a version of the graph. Operations are planned and compiled when they are first asked for. */
export const createGraph = <Context>(options: GraphOptions<Context>): Graph<Context> => {
  const { apiSchema, supergraphSchema, supergraphSdl, clientOf, planningThread } = options;
  const { estimateLimits, turns, runningValues, introspection } = options;
  const supergraph = parse(supergraphSdl, { noLocation: true });
  const requirements = readRequirements(supergraph, supergraphSchema);
  const { requiredBy } = requirements;
  const costs = readCostDirectives(supergraph);
  const introspectionSize = measureIntrospection(apiSchema);
  const limits = { ...estimateLimits, maxIntrospected: introspectionSize.limit };
  const plan = createPlan(options);
  const decideOverrides = createOverrides(supergraph, requirements.names, options.overrides);
  const programs = createProgramCache<CachedProgram<Context>>({
    maxEntries: options.maxPrograms,
    maxBytes: options.maxProgramBytes,
  });

  // Also of operations that are refused again and again, of which nothing else is cached.
  const estimates = new WeakMap<DocumentNode, Map<string | undefined, EstimateFor>>();

  const estimateFor = ({ document, operationName }: ClientOperation): EstimateFor => {
    const ofDocument = estimates.get(document) ?? new Map<string | undefined, EstimateFor>();
    estimates.set(document, ofDocument);
    const estimate = ofDocument.get(operationName) ?? compileEstimate(document, operationName);
    ofDocument.set(operationName, estimate);
    return estimate;
  };

  const compileEstimate = (document: DocumentNode, operationName: string | undefined): EstimateFor => {
    const operation = getOperationAST(document, operationName);
    if (!operation) throw new Error('The document has no such operation.');
    const fragments = fragmentMap(fragmentsIn(document));
    const { assumedListSize } = estimateLimits;
    const introspectionLists = introspectionSize.lists;
    return createEstimate({ schema: apiSchema, costs, operation, fragments, assumedListSize, introspectionLists });
  };

  const compileProgram = async (
    operation: ClientOperation,
    overrides: OverrideConditions,
    conditions?: ConditionValues,
  ): Promise<CachedProgram<Context>> => {
    const { document, operationName } = operation;
    let turn = turns.take();
    if (turn) await turn;
    const prepared = prepareOperation(apiSchema, requirements, document, operationName, conditions);
    const plans = await Promise.all(prepared.parts.map((part) => plan(withoutIntrospection(part), overrides.values)));
    turn = turns.take();
    if (turn) await turn;
    const steps = plans.map(readPlan);
    const bytes =
      JSON.stringify(plans).length * BYTES_PER_PLAN_CHARACTER +
      (document.loc?.source.body.length ?? 0) * BYTES_PER_TEXT_CHARACTER;
    const isOpen =
      !conditions && prepared.parts.some((part) => needsValues(part, steps.flatMap(fetchesOf), requirements.keyNames));
    if (isOpen) {
      const variables = prepared.parts.flatMap(conditionVariables).map(prepared.clientVariable);
      return { operation, bytes, program: [...new Set(variables)] };
    }
    turn = turns.take();
    if (turn) await turn;
    const program = compile({ apiSchema, supergraphSchema, requiredBy, prepared, steps, clientOf });
    return { operation, bytes, program };
  };

  const keyOf = ({ operationName = '', hash }: ClientOperation): string => `${operationName} ${hash}`;

  /** Refuses what would be too large. */
  const checkedEstimate = (operation: ClientOperation, { coerced }: RequestVariables): Estimate => {
    const estimate = estimateFor(operation)(coerced);
    checkEstimate(estimate, limits);
    return estimate;
  };

  /** Returns an operation's program, or a promise of it where it has to be planned and compiled. */
  const programFor = (
    operation: ClientOperation,
    { coerced }: RequestVariables,
  ): Program<Context> | Promise<Program<Context>> => {
    const overrides = decideOverrides(operation.document);
    const key = `${keyOf(operation)} ${overrides.key}`;
    const known = programs.get(key)?.program;
    if (typeof known === 'function') return known;
    const compileFor = async (): Promise<Program<Context>> => {
      const { program } = await programs.getOrCompile(key, () => compileProgram(operation, overrides));
      if (typeof program === 'function') return program;
      const conditions = Object.fromEntries(program.map((name) => [name, coerced[name]]));
      const own = await programs.getOrCompile(`${key} ${JSON.stringify(conditions)}`, () =>
        compileProgram(operation, overrides, conditions),
      );
      return own.program as Program<Context>;
    };
    return compileFor();
  };

  const run = async (
    program: Program<Context>,
    { values, introspected }: Estimate,
    variables: RequestVariables,
    context: Context,
    { signal, deadlineAt }: RequestTime,
    begin: () => void,
  ): Promise<Answer> => {
    const all = values + introspected;
    const createBudget = () => createAnswerBudget(options.maxAnswerValues, deadlineAt);
    if (all < MANY_VALUES) {
      begin();
      return program(variables, context, { createBudget });
    }
    const end = await runningValues.reserve(all, signal);
    begin();
    const dueAt = Math.min(deadlineAt ?? Number.POSITIVE_INFINITY, monotonicNow() + all * DUE_MS_PER_VALUE);
    // When its time is up, a request is answered with what is there.
    const hasLeft = (): boolean => signal?.aborted === true && !isTimeout(signal);
    const takeTurn = (): Promise<void> | undefined =>
      hasLeft()
        ? Promise.reject(signal?.reason)
        : turns.take(dueAt)?.then(() => {
            if (hasLeft()) throw signal?.reason;
          });
    try {
      return await program(variables, context, { takeTurn, createBudget });
    } finally {
      end();
    }
  };

  const validate = async (document: DocumentNode): Promise<readonly GraphQLError[]> => {
    const text = document.loc?.source.body;
    return text !== undefined && isLargeDocument(document)
      ? planningThread.validate(text)
      : validateDocument(apiSchema, document, { introspection });
  };

  return {
    validate,
    execute: async (operation, sent, context, time = {}) => {
      const { signal } = time;
      const { variableDefinitions } = operation;
      const { errors, coerced } = coerceVariables(apiSchema, variableDefinitions, sent, { suggestions: introspection });
      if (errors) return { errors, stale: [] };
      const unset = nullCondition(operation, coerced);
      if (unset !== undefined) return refuse(nullConditionError(unset));
      const variables = { sent, coerced };
      let hasBegun = false;
      try {
        const estimate = checkedEstimate(operation, variables);
        const known = programFor(operation, variables);
        const program = known instanceof Promise ? await raceAbort(known, signal) : known;
        // Nothing has begun yet, so nothing of a mutation is done.
        signal?.throwIfAborted();
        return await run(program, estimate, variables, context, time, () => {
          hasBegun = true;
        });
      } catch (error) {
        if (hasBegun && isMutation(operation)) return outcomeUnknown();
        return refuse(signal?.aborted && error === signal.reason ? timedOut() : error);
      }
    },
    operations: () => [
      ...new Map([...programs.entries()].map(({ operation }) => [keyOf(operation), operation])).values(),
    ],
    warm: async (operation) => {
      if ((await validate(operation.document)).length > 0) return;
      const overrides = decideOverrides(operation.document);
      await programs.getOrCompile(`${keyOf(operation)} ${overrides.key}`, () => compileProgram(operation, overrides));
    },
  };
};

/** The variable of a `@skip` or `@include` that is null. It may be, where its operation has a default for it. */
const nullCondition = (
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

const isMutation = ({ document, operationName }: ClientOperation): boolean =>
  getOperationAST(document, operationName)?.operation === 'mutation';

/** What is answered to a mutation that was sent and whose answer cannot be made. */
const outcomeUnknown = (): Answer => ({
  errors: [
    {
      message: 'Whether this was done is unknown: its answer could not be made. Check before you repeat it.',
      extensions: { code: 'UPSTREAM_OUTCOME_UNKNOWN' },
    },
  ],
  stale: [],
});

const isTimeout = ({ reason }: AbortSignal): boolean =>
  reason instanceof DOMException && reason.name === 'TimeoutError';

/** What is answered to an operation that there can be no program for. Throws what is a fault of ours. */
const refuse = (error: unknown): Answer => {
  const refusal = (message: string, code: string): Answer => ({
    errors: [{ message, extensions: { code } }],
    stale: [],
  });
  if (error instanceof GraphQLError) return { errors: [error], stale: [] };
  if (error instanceof UnsupportedOperation || error instanceof UnsupportedPlan) {
    return refusal(error.message, 'OPERATION_UNRESOLVABLE');
  }
  // Planner and compiler go down an operation by calling themselves: V8's stack ends at about a thousand levels.
  if (error instanceof RangeError) return refusal('The operation is nested too deeply.', 'GRAPHQL_VALIDATION_FAILED');
  throw error;
};
