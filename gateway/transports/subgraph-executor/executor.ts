import {
  type DocumentNode,
  type ExecutionResult,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  locatedError,
  OperationTypeNode,
  visit,
} from 'graphql';
import { conditionVariables } from '../../execution/conditions.ts';
import { fragmentsIn, operationIn } from '../../execution/steps.ts';
import { createCollectedErrors } from './collected-errors.ts';
import { type Execution, isPromise, type Target } from './execution.ts';
import { createSelection, type Selection } from './select-fields.ts';
import { compileVariables } from './variable-values.ts';

/** Executes an operation. Never throws or rejects: failures are returned as errors. */
export type Execute = (
  variables: Readonly<Record<string, unknown>>,
  contextValue: unknown,
  rootValue?: unknown,
) => ExecutionResult | PromiseLike<ExecutionResult>;

/**
 * Compiles a document with one operation for repeated execution. Results are the same as those of `execute` in graphql-js.
 * The document must be valid.
 */
export const compileOperation = (schema: GraphQLSchema, document: DocumentNode): Execute => {
  const operation = operationIn(document);
  const fragments: Record<string, FragmentDefinitionNode> = Object.create(null);
  for (const fragment of fragmentsIn(document)) fragments[fragment.name.value] = fragment;
  const coerceVariables = compileVariables(schema, operation.variableDefinitions ?? []);
  const selectionFor = createSelections(schema, document, fragments);

  return (variables, contextValue, rootValue) => {
    const { coerced: variableValues, errors: refusals } = coerceVariables(variables);
    if (!variableValues) return { errors: refusals };
    const errors = createCollectedErrors();
    const execution: Execution = {
      schema,
      fragments,
      operation,
      variableValues,
      contextValue,
      errors,
      argumentValues: new Map(),
    };
    const respond = (data: Target | null): ExecutionResult =>
      errors.errors.length > 0 ? { errors: errors.errors, data } : { data };
    const fail = (error: unknown): ExecutionResult => {
      errors.add(locatedError(error, undefined), undefined);
      return respond(null);
    };
    try {
      const data = executeRoot(execution, selectionFor(variableValues), rootValue);
      return isPromise(data) ? data.then(respond, fail) : respond(data);
    } catch (error) {
      return fail(error);
    }
  };
};

const executeRoot = (
  execution: Execution,
  { selectFields }: Selection,
  rootValue: unknown,
): Target | Promise<Target> => {
  const { schema, operation } = execution;
  const rootType = schema.getRootType(operation.operation);
  if (!rootType) {
    throw new GraphQLError(`Schema is not configured to execute ${operation.operation} operation.`, {
      nodes: operation,
    });
  }
  const isSerial = operation.operation === OperationTypeNode.MUTATION;
  const { execute, executeSerially } = selectFields(rootType, [operation.selectionSet]);
  return (isSerial ? executeSerially : execute)(execution, rootValue, undefined);
};

/**
 * Creates a cache of an operation's compiled fields, by the values of the variables in its conditions.
 *
 * The cache size is proportional to the document (measured: 0.7 KiB per field), although fragments, conditions and object types
 * may multiply the fields. Beyond that size, fields are recompiled, which takes 5 to 8 µs each.
 */
const createSelections = (
  schema: GraphQLSchema,
  document: DocumentNode,
  fragments: Record<string, FragmentDefinitionNode>,
): ((variableValues: Execution['variableValues']) => Selection) => {
  const conditions = conditionVariables(document);
  const maxFields = 5 * countFields(document) + 140;
  if (conditions.length === 0) {
    let only = createSelection({ schema, fragments, variableValues: {} });
    return () => {
      if (only.size() > maxFields) only = createSelection({ schema, fragments, variableValues: {} });
      return only;
    };
  }
  const selections = new Map<string, Selection>();
  return (all) => {
    // Excludes the request's other variables, which may be large.
    const variableValues = Object.fromEntries(Object.entries(all).filter(([name]) => conditions.includes(name)));
    const key = JSON.stringify(variableValues);
    let size = 0;
    for (const selection of selections.values()) size += selection.size();
    if (size > maxFields) selections.clear();
    const selection = selections.get(key) ?? createSelection({ schema, fragments, variableValues });
    selections.set(key, selection);
    return selection;
  };
};

const countFields = (document: DocumentNode): number => {
  let count = 0;
  visit(document, {
    Field: () => {
      count += 1;
    },
  });
  return count;
};
