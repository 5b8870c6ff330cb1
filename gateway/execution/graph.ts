import { operationFromDocument, type Schema } from '@apollo/federation-internals';
import type { QueryPlanner } from '@apollo/query-planner';
import { type DocumentNode, type GraphQLSchema, parse, type VariableDefinitionNode, validate } from 'graphql';
import { getVariableValues } from 'graphql/execution/values.js';
import { LRUCache } from 'lru-cache';
import { type ConditionValues, conditionVariables, needsValues } from './conditions.ts';
import { createOverrides, type OverrideConditions, type OverrideOptions } from './overrides.ts';
import { prepareOperation } from './prepare.ts';
import { type Answer, compile, type Program, type RequestVariables } from './program.ts';
import { readRequirements } from './requirements.ts';
import { UnsupportedOperation } from './split.ts';
import { fetchesOf, readPlan, UnsupportedPlan } from './steps.ts';
import type { SubgraphClient } from './subgraph-request.ts';
import { withoutIntrospection } from './without-introspection.ts';

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
  readonly overrides: OverrideOptions;
  /** How many programs are kept, and about how much memory they may take, in bytes. */
  readonly maxPrograms: number;
  readonly maxProgramBytes: number;
};

/** One version of the graph: a supergraph, and the programs of the operations that are in use. */
export type Graph<Context> = {
  readonly execute: (
    operation: ClientOperation,
    variables: Readonly<Record<string, unknown>>,
    context: Context,
  ) => Promise<Answer>;
  /** The operations whose programs are kept, those asked for last first. */
  readonly operations: () => ClientOperation[];
  /** Makes the program of an operation that another version had, unless this version does not allow it. */
  readonly warm: (operation: ClientOperation) => void;
};

/** What is kept of an operation. */
type Kept<Context> = {
  readonly operation: ClientOperation;
  /** The program, or the variables that one has to know to have a program. */
  readonly made: Program<Context> | readonly string[];
  /** About how much memory it takes. */
  readonly bytes: number;
};

// Measured: 500 operations with plans of 1.4 kB each took 75 kB each, documents and functions together.
const BYTES_PER_PLAN_CHARACTER = 52;

/** Makes a version of the graph. Operations are planned and compiled when they are first asked for. */
export const createGraph = <Context>(options: GraphOptions<Context>): Graph<Context> => {
  const { apiSchema, supergraphSchema, supergraphSdl, planner, plannerSchema, clientOf } = options;
  const supergraph = parse(supergraphSdl, { noLocation: true });
  const requirements = readRequirements(supergraph, supergraphSchema);
  const { requiredBy } = requirements;
  const decideOverrides = createOverrides(supergraph, requirements.names, options.overrides);
  const programs = new LRUCache<string, Kept<Context>>({
    max: options.maxPrograms,
    maxSize: options.maxProgramBytes,
    sizeCalculation: ({ bytes }) => bytes,
  });

  const make = (
    operation: ClientOperation,
    overrides: OverrideConditions,
    conditions?: ConditionValues,
  ): Kept<Context> => {
    const prepared = prepareOperation(apiSchema, requirements, operation.document, operation.operationName, conditions);
    const overrideConditions = new Map(overrides.values);
    const plans = prepared.parts.map((part) =>
      planner.buildQueryPlan(operationFromDocument(plannerSchema, withoutIntrospection(part)), { overrideConditions }),
    );
    const steps = plans.map(readPlan);
    const bytes = JSON.stringify(plans).length * BYTES_PER_PLAN_CHARACTER;
    const isOpen =
      !conditions &&
      prepared.parts.some((part) => {
        return needsValues(part, steps.flatMap(fetchesOf), requirements.keyNames);
      });
    if (isOpen) {
      const variables = prepared.parts.flatMap(conditionVariables).map(prepared.clientVariable);
      return { operation, bytes, made: [...new Set(variables)] };
    }
    return {
      operation,
      bytes,
      made: compile({ apiSchema, supergraphSchema, requiredBy, prepared, steps, clientOf }),
    };
  };

  const keep = (
    operation: ClientOperation,
    overrides: OverrideConditions,
    conditions?: ConditionValues,
  ): Kept<Context> => {
    const key = [keyOf(operation), overrides.key, conditions ? JSON.stringify(conditions) : ''].join(' ');
    const known = programs.get(key);
    if (known) return known;
    const kept = make(operation, overrides, conditions);
    programs.set(key, kept);
    return kept;
  };

  const keyOf = ({ operationName = '', hash }: ClientOperation): string => `${operationName} ${hash}`;

  const programFor = (operation: ClientOperation, { coerced }: RequestVariables): Program<Context> => {
    const overrides = decideOverrides(operation.document);
    const { made } = keep(operation, overrides);
    if (typeof made === 'function') return made;
    const conditions = Object.fromEntries(made.map((name) => [name, coerced[name]]));
    const kept = keep(operation, overrides, conditions);
    return kept.made as Program<Context>;
  };

  return {
    execute: async (operation, sent, context) => {
      const { errors, coerced = {} } = getVariableValues(apiSchema, operation.variableDefinitions, sent);
      if (errors) return { errors, stale: [] };
      const variables = { sent, coerced };
      let program: Program<Context>;
      try {
        program = programFor(operation, variables);
      } catch (error) {
        return refuse(error);
      }
      return program(variables, context);
    },
    operations: () => [
      ...new Map([...programs.values()].map(({ operation }) => [keyOf(operation), operation])).values(),
    ],
    warm: (operation) => {
      if (validate(apiSchema, operation.document).length > 0) return;
      keep(operation, decideOverrides(operation.document));
    },
  };
};

/** What is answered to an operation that there can be no program for. Throws what is a fault of ours. */
const refuse = (error: unknown): Answer => {
  const refusal = (message: string, code: string): Answer => ({
    errors: [{ message, extensions: { code } }],
    stale: [],
  });
  if (error instanceof UnsupportedOperation || error instanceof UnsupportedPlan) {
    return refusal(error.message, 'OPERATION_UNRESOLVABLE');
  }
  // Planner and compiler go down an operation by calling themselves: V8's stack ends at about a thousand levels.
  if (error instanceof RangeError) return refusal('The operation is nested too deeply.', 'GRAPHQL_VALIDATION_FAILED');
  throw error;
};
