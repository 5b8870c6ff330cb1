import { operationFromDocument, type Schema } from '@apollo/federation-internals';
import type { QueryPlanner } from '@apollo/query-planner';
import { type DocumentNode, type GraphQLSchema, parse, validate } from 'graphql';
import { LRUCache } from 'lru-cache';
import { prepareOperation, UnsupportedOperation } from './prepare.ts';
import { type Answer, compile, type Program } from './program.ts';
import { readRequirements } from './requirements.ts';
import { UnsupportedPlan } from './steps.ts';
import type { SubgraphClient } from './subgraph-request.ts';

/** An operation of a client, as it is known before its variables are. */
export type ClientOperation = {
  readonly document: DocumentNode;
  readonly operationName: string | undefined;
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
  /** How many programs are kept, and how much text their plans may have in all, in characters. */
  readonly maxPrograms: number;
  readonly maxPlanText: number;
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

type Kept<Context> = {
  readonly operation: ClientOperation;
  readonly program: Program<Context>;
  readonly planText: number;
};

/** Makes a version of the graph. Operations are planned and compiled when they are first asked for. */
export const createGraph = <Context>(options: GraphOptions<Context>): Graph<Context> => {
  const { apiSchema, supergraphSchema, supergraphSdl, planner, plannerSchema, clientOf } = options;
  const requirements = readRequirements(parse(supergraphSdl, { noLocation: true }), supergraphSchema);
  const programs = new LRUCache<string, Kept<Context>>({
    max: options.maxPrograms,
    maxSize: options.maxPlanText,
    sizeCalculation: ({ planText }) => planText,
  });

  const make = (operation: ClientOperation): Kept<Context> => {
    const prepared = prepareOperation(apiSchema, requirements, operation.document, operation.operationName);
    const plans = prepared.parts.map((part) => planner.buildQueryPlan(operationFromDocument(plannerSchema, part)));
    const program = compile({ apiSchema, supergraphSchema, prepared, plans, clientOf });
    return { operation, program, planText: JSON.stringify(plans).length };
  };

  const programOf = (operation: ClientOperation): Program<Context> => {
    const key = `${operation.operationName ?? ''} ${operation.hash}`;
    const known = programs.get(key);
    if (known) return known.program;
    const made = make(operation);
    programs.set(key, made);
    return made.program;
  };

  return {
    execute: async (operation, variables, context) => {
      try {
        return await programOf(operation)(variables, context);
      } catch (error) {
        if (error instanceof UnsupportedOperation || error instanceof UnsupportedPlan) {
          return { errors: [{ message: error.message, extensions: { code: 'OPERATION_UNRESOLVABLE' } }], stale: [] };
        }
        throw error;
      }
    },
    operations: () => [...programs.values()].map(({ operation }) => operation),
    warm: (operation) => {
      if (validate(apiSchema, operation.document).length === 0) programOf(operation);
    },
  };
};
