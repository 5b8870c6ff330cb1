import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  GraphQLError,
  type GraphQLSchema,
  getNamedType,
  isInputObjectType,
  Kind,
  type NamedTypeNode,
  typeFromAST,
  visit,
} from 'graphql';
import { compileQuery, isCompiledQuery } from 'graphql-jit';
import type { Log } from '../runtime/log.ts';
import { toPublicError } from '../subgraphs/errors.ts';
import type { StaleNote } from '../subgraphs/field.ts';
import type { Subgraph } from '../subgraphs/subgraph.ts';
import { fragmentMap, inlineFragments } from './execution/selections.ts';
import { fragmentsIn, operationIn } from './execution/steps.ts';
import type { SubgraphOperation } from './execution/subgraph-request.ts';
import type { Transport } from './transport.ts';

/** The way to a subgraph in this process: its schema is executed directly, nothing is serialised. */
export const createLocalTransport = (subgraph: Subgraph, log: Log): Transport => ({
  takes: 'values',
  prepare: (operation) => {
    const run = prepareExecution(subgraph, operation);
    return async ({ variables, representations }, context) => {
      const stale: StaleNote[] = [];
      const all: Record<string, unknown> = { ...variables };
      for (const { variable, values } of representations) all[variable] = values;
      try {
        const { data, errors } = await run(all, { ...context.contextOf(subgraph), stale });
        return { data, errors: errors?.map((error) => toPublicError(toWhole(error), log)), stale };
      } catch (error) {
        return { data: null, errors: [toPublicError(new GraphQLError('', { originalError: error as Error }), log)] };
      }
    };
  },
  close: subgraph.close,
});

type Execution = (variables: Record<string, unknown>, context: object) => ExecutionResult | Promise<ExecutionResult>;

/** Compiles an operation where the compiler is right and worth it, and has it interpreted elsewhere. */
const prepareExecution = ({ schema }: Subgraph, { document, operationName }: SubgraphOperation): Execution => {
  const interpret: Execution = (variableValues, contextValue) =>
    execute({ schema, document, variableValues, contextValue });
  const whole = withoutFragments(document);
  if (hasInputObjects(schema, document) || countFields(whole) > MAX_COMPILED_FIELDS) return interpret;
  const compiled = compileQuery(schema, whole, operationName);
  return isCompiledQuery(compiled) ? (variables, context) => compiled.query(undefined, context, variables) : interpret;
};

// A few lines of fragments within fragments are thousands of fields, and nothing else runs while they are compiled: with
// 16,000 the first answer took 3.0 s, and 0.6 s where they are interpreted.
const MAX_COMPILED_FIELDS = 1_000;

const countFields = (document: DocumentNode): number => {
  let count = 0;
  visit(document, {
    Field: () => {
      count += 1;
    },
  });
  return count;
};

// graphql-jit 0.8.9 mixes up the conditions of one fragment that is spread twice under different ones.
const withoutFragments = (document: DocumentNode): DocumentNode => {
  const fragments = fragmentMap(fragmentsIn(document));
  const operation = operationIn(document);
  const selectionSet = inlineFragments(operation.selectionSet, fragments);
  return { kind: Kind.DOCUMENT, definitions: [{ ...operation, selectionSet }] };
};

// In variables, graphql-jit 0.8.9 does not know the defaults of an input object's fields: `{}` for an input with
// `captureMethod: CaptureMethod! = AUTOMATIC` is refused.
const hasInputObjects = (schema: GraphQLSchema, { definitions }: DocumentNode): boolean =>
  definitions.some(
    (definition) =>
      definition.kind === Kind.OPERATION_DEFINITION &&
      definition.variableDefinitions?.some(({ type }) =>
        isInputObjectType(getNamedType(typeFromAST(schema, type as NamedTypeNode))),
      ),
  );

/** The compiled executor's errors have no `extensions` where there are none, which the type does not allow. */
const toWhole = ({ message, path, originalError, extensions }: GraphQLError): GraphQLError =>
  new GraphQLError(message, { path: path ?? null, originalError: originalError ?? null, extensions });
