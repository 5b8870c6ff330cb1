import { operationFromDocument, type Schema } from '@apollo/federation-internals';
import type { QueryPlan, QueryPlanner } from '@apollo/query-planner';
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  parse,
  print,
  type VariableDefinitionNode,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import { raceAbort } from '../../runtime/race-abort.ts';
import type { TurnQueue } from '../../runtime/turn-queue.ts';
import { countSelections } from '../../subgraphs/limits/document-limits.ts';
import { timedOut } from '../../subgraphs/limits/timed-out.ts';
import { readCostDirectives } from '../cost/cost-directives.ts';
import { createEstimate, type Estimate } from '../cost/estimate.ts';
import { checkEstimate, type EstimateLimits } from '../cost/estimate-limits.ts';
import { measureIntrospection } from '../cost/introspection-size.ts';
import type { RunningValues } from '../cost/running-values.ts';
import { toPlanningError } from '../planning/planning-errors.ts';
import type { PlanningThread } from '../planning/planning-thread.ts';
import { validateDocument } from '../planning/validate.ts';
import { type ConditionValues, conditionVariables, needsValues } from './conditions.ts';
import { prepareOperation } from './prepare.ts';
import { type Answer, compile, type Program, type RequestVariables } from './program.ts';
import { readRequirements } from './requirements.ts';
import { fragmentMap } from './selections.ts';
import { UnsupportedOperation } from './split.ts';
import { fetchesOf, fragmentsIn, readPlan, UnsupportedPlan } from './steps.ts';
import type { SubgraphClient } from './subgraph-request.ts';
import { coerceVariables } from './variables.ts';

/** An operation of a client, as it is known before its variables are. */
export type ClientOperation = {
  readonly document: DocumentNode;
  readonly operationName: string | undefined;
  readonly variableDefinitions: readonly VariableDefinitionNode[];
  /** The same for the same text. */
  readonly hash: string;
};

export type GraphOptions<Context> = {
  readonly apiSchema: GraphQLSchema;
  readonly supergraphSchema: GraphQLSchema;
  readonly supergraphSdl: string;
  /** Apollo's planner for this supergraph, and the schema that it reads operations with. */
  readonly planner: Pick<QueryPlanner, 'buildQueryPlan'>;
  readonly plannerSchema: Schema;
  readonly clientOf: (subgraph: string) => SubgraphClient<Context>;
  /** How many programs are kept, and about how much memory they may take, in bytes. */
  readonly maxPrograms: number;
  readonly maxProgramBytes: number;
  /** Validates and plans what is too large for this thread. */
  readonly planningThread: PlanningThread;
  readonly estimateLimits: EstimateLimits;
  /** Spaces out what keeps this thread busy for long, and bounds what all such requests hold at once. */
  readonly turns: TurnQueue;
  readonly runningValues: RunningValues;
  /** Whether clients may read the schema, by introspection or in error messages. */
  readonly introspection: boolean;
};

/** One version of the graph: a supergraph, and the programs of the operations that are in use. */
export type Graph<Context> = {
  /** Errors of a document; none where it is valid. */
  readonly validate: (document: DocumentNode) => Promise<readonly GraphQLError[]>;
  /** `signal` fires when the request's time is up or its client has left. */
  readonly execute: (
    operation: ClientOperation,
    variables: Readonly<Record<string, unknown>>,
    context: Context,
    signal?: AbortSignal,
  ) => Promise<Answer>;
  /** The operations whose programs are kept, those asked for last first. */
  readonly operations: () => ClientOperation[];
  /** Makes the program of an operation that another version had, unless this version does not allow it. */
  readonly warm: (operation: ClientOperation) => Promise<void>;
};

/** What is cached of an operation. */
type CachedProgram<Context> = {
  readonly operation: ClientOperation;
  /** How large its answer can get. */
  readonly estimate: EstimateFor;
  /** The program, or the variables whose values one has to know to have a program. */
  readonly program: Program<Context> | readonly string[];
  /** About how much memory it takes. */
  readonly bytes: number;
};

type EstimateFor = (variables: Readonly<Record<string, unknown>>) => Estimate;

// Measured: 500 operations with plans of 1.4 kB each took 75 kB each, documents and functions together. The text of the
// operation, comments and all, comes on top: every document holds on to its own.
const BYTES_PER_PLAN_CHARACTER = 52;
const BYTES_PER_TEXT_CHARACTER = 2;

/**
 * Selections that are validated and planned in this thread. Measured on the product's graph: 250 of them took 10 ms to
 * validate and 30 ms to plan, and nothing else is answered meanwhile.
 */
const MAX_SELECTIONS_HERE = 250;

/** Values from which on an answer takes turns with others. Measured: 2,000 take about 5 ms from fetch to text. */
const MANY_VALUES = 2_000;

/** Makes a version of the graph. Operations are planned and compiled when they are first asked for. */
export const createGraph = <Context>(options: GraphOptions<Context>): Graph<Context> => {
  const { apiSchema, supergraphSchema, supergraphSdl, planner, plannerSchema, clientOf } = options;
  const { planningThread, estimateLimits, turns, runningValues, introspection } = options;
  const supergraph = parse(supergraphSdl, { noLocation: true });
  const requirements = readRequirements(supergraph, supergraphSchema);
  const costs = readCostDirectives(supergraph);
  const introspectionSize = measureIntrospection(apiSchema);
  const limits = { ...estimateLimits, maxIntrospected: introspectionSize.limit };
  const { requiredBy } = requirements;
  const programs = new LRUCache<string, CachedProgram<Context>>({
    max: options.maxPrograms,
    maxSize: options.maxProgramBytes,
    sizeCalculation: ({ bytes }) => bytes,
  });
  // Requests for one operation wait for one plan.
  const compiling = new Map<string, Promise<CachedProgram<Context>>>();

  const estimateOf = ({ document, operationName }: ClientOperation): EstimateFor => {
    const operation = getOperationAST(document, operationName);
    if (!operation) throw new Error('The document has no such operation.');
    const fragments = fragmentMap(fragmentsIn(document));
    return createEstimate({
      schema: apiSchema,
      costs,
      operation,
      fragments,
      assumedListSize: estimateLimits.assumedListSize,
      introspectionLists: introspectionSize.lists,
    });
  };

  const plan = async (part: DocumentNode): Promise<QueryPlan> => {
    try {
      if (countSelections(part) > MAX_SELECTIONS_HERE) return await planningThread.plan(print(part));
      return planner.buildQueryPlan(operationFromDocument(plannerSchema, part));
    } catch (error) {
      throw toPlanningError(error);
    }
  };

  const make = async (
    operation: ClientOperation,
    estimate: EstimateFor,
    conditions?: ConditionValues,
  ): Promise<CachedProgram<Context>> => {
    const isLong = countSelections(operation.document) > MAX_SELECTIONS_HERE;
    if (isLong) await turns.take();
    const prepared = prepareOperation(apiSchema, requirements, operation.document, operation.operationName, conditions);
    const plans = await Promise.all(prepared.parts.map(plan));
    if (isLong) await turns.take();
    const steps = plans.map(readPlan);
    const bytes =
      JSON.stringify(plans).length * BYTES_PER_PLAN_CHARACTER +
      (operation.document.loc?.source.body.length ?? 0) * BYTES_PER_TEXT_CHARACTER;
    const isOpen =
      !conditions &&
      prepared.parts.some((part) => {
        return needsValues(part, steps.flatMap(fetchesOf), requirements.keyNames);
      });
    if (isOpen) {
      const variables = prepared.parts.flatMap(conditionVariables).map(prepared.clientVariable);
      return { operation, estimate, bytes, program: [...new Set(variables)] };
    }
    if (isLong) await turns.take();
    const program = compile({ apiSchema, supergraphSchema, requiredBy, prepared, steps, clientOf });
    return { operation, estimate, bytes, program };
  };

  const compileOnce = (
    key: string,
    operation: ClientOperation,
    estimate: EstimateFor,
    conditions?: ConditionValues,
  ): CachedProgram<Context> | Promise<CachedProgram<Context>> => {
    const known = programs.get(key) ?? compiling.get(key);
    if (known) return known;
    const made = make(operation, estimate, conditions);
    compiling.set(key, made);
    const done = (): void => void compiling.delete(key);
    made.then((cached) => {
      programs.set(key, cached);
      done();
    }, done);
    return made;
  };

  const keyOf = ({ operationName = '', hash }: ClientOperation): string => `${operationName} ${hash}`;

  /** Refuses what would be too large before it is planned. */
  const programFor = async (operation: ClientOperation, { coerced }: RequestVariables) => {
    const key = keyOf(operation);
    const estimateFor = programs.get(key)?.estimate ?? estimateOf(operation);
    const estimate = estimateFor(coerced);
    checkEstimate(estimate, limits);
    const { program } = await compileOnce(key, operation, estimateFor);
    if (typeof program === 'function') return { program, estimate };
    const conditions = Object.fromEntries(program.map((name) => [name, coerced[name]]));
    const own = await compileOnce(`${key} ${JSON.stringify(conditions)}`, operation, estimateFor, conditions);
    return { program: own.program as Program<Context>, estimate };
  };

  const run = async (
    { program, estimate: { values, introspected } }: Awaited<ReturnType<typeof programFor>>,
    variables: RequestVariables,
    context: Context,
    signal: AbortSignal | undefined,
  ): Promise<Answer> => {
    const all = values + introspected;
    if (all < MANY_VALUES) return program(variables, context);
    const end = await runningValues.reserve(all, signal);
    try {
      return await program(variables, context, async () => {
        await turns.take();
        // When its time is up, a request is answered with what is there.
        if (signal?.aborted && !isTimeout(signal)) throw signal.reason;
      });
    } finally {
      end();
    }
  };

  const validate = async (document: DocumentNode): Promise<readonly GraphQLError[]> => {
    const text = document.loc?.source.body;
    return text !== undefined && countSelections(document) > MAX_SELECTIONS_HERE
      ? planningThread.validate(text)
      : validateDocument(apiSchema, document, { introspection });
  };

  return {
    validate,
    execute: async (operation, sent, context, signal) => {
      const { errors, coerced } = coerceVariables(apiSchema, operation.variableDefinitions, sent, {
        suggestions: introspection,
      });
      if (errors) return { errors, stale: [] };
      const variables = { sent: withDefaults(operation, sent, coerced), coerced };
      try {
        const found = await raceAbort(programFor(operation, variables), signal);
        return await run(found, variables, context, signal);
      } catch (error) {
        return refuse(signal?.aborted ? timedOut() : error);
      }
    },
    operations: () => [
      ...new Map([...programs.values()].map(({ operation }) => [keyOf(operation), operation])).values(),
    ],
    warm: async (operation) => {
      if ((await validate(operation.document)).length > 0) return;
      await compileOnce(keyOf(operation), operation, estimateOf(operation));
    },
  };
};

const isTimeout = ({ reason }: AbortSignal): boolean =>
  reason instanceof DOMException && reason.name === 'TimeoutError';

/**
 * The variables as subgraphs get them: as the client sent them, and the operation's defaults for those that it did not
 * send. The planner leaves the defaults out of the operations that it writes for subgraphs.
 */
const withDefaults = (
  { variableDefinitions }: ClientOperation,
  sent: Readonly<Record<string, unknown>>,
  coerced: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> => {
  const missing = variableDefinitions.filter(
    ({ variable, defaultValue }) => defaultValue && !Object.hasOwn(sent, variable.name.value),
  );
  if (missing.length === 0) return sent;
  const defaults = missing.map(({ variable }) => [variable.name.value, coerced[variable.name.value]]);
  return { ...sent, ...Object.fromEntries(defaults) };
};

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
