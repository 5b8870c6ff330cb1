import {
  type DocumentNode,
  type ExecutionResult,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  locatedError,
  OperationTypeNode,
} from 'graphql';
import { conditionVariables } from '../execution/conditions.ts';
import { fragmentsIn, operationIn } from '../execution/steps.ts';
import { createCollectedErrors } from './collected-errors.ts';
import { executeFields, executeFieldsSerially } from './execute-fields.ts';
import { type Execution, isPromise, type Target } from './execution.ts';
import { createSelection, type Selection } from './select-fields.ts';

/** Executes an operation. Never throws or rejects: what failed is among the errors. */
export type Execute = (
  variables: Readonly<Record<string, unknown>>,
  contextValue: unknown,
) => ExecutionResult | PromiseLike<ExecutionResult>;

/** The form in which an operation is executed: the root type, and its fields as compiled so far. */
type Variables = Execution['variableValues'];

// As many errors as a person reads: each holds the value that it is about.
const MAX_COERCION_ERRORS = 10;

/**
 * Compiles a document with one operation, to be executed many times; the results are those of `execute` in graphql-js.
 * The document has to be valid.
 */
export const compileOperation = (schema: GraphQLSchema, document: DocumentNode): Execute => {
  const operation = operationIn(document);
  const fragments: Record<string, FragmentDefinitionNode> = Object.create(null);
  for (const fragment of fragmentsIn(document)) fragments[fragment.name.value] = fragment;
  const selectionFor = createSelections(schema, document, fragments);

  return (variables, contextValue) => {
    const { coerced: variableValues, errors: refusals } = getVariableValues(
      schema,
      operation.variableDefinitions ?? [],
      variables,
      { maxErrors: MAX_COERCION_ERRORS, hideSuggestions: true },
    );
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
      const data = executeRoot(execution, selectionFor(variableValues));
      return isPromise(data) ? data.then(respond, fail) : respond(data);
    } catch (error) {
      return fail(error);
    }
  };
};

const executeRoot = (execution: Execution, { selectFields }: Selection): Target | Promise<Target> => {
  const { schema, operation } = execution;
  const rootType = schema.getRootType(operation.operation);
  if (!rootType) {
    throw new GraphQLError(`Schema is not configured to execute ${operation.operation} operation.`, {
      nodes: operation,
    });
  }
  const isSerial = operation.operation === OperationTypeNode.MUTATION;
  const executeAll = isSerial ? executeFieldsSerially : executeFields;
  return executeAll(execution, selectFields(rootType, [operation.selectionSet]), undefined, undefined);
};

// Beyond these, fields are compiled anew for each execution, which takes no longer than interpreting them.
const MAX_SELECTIONS = 16;
const MAX_FIELDS = 5_000;

/**
 * Returns an operation's fields for the values of the variables in its conditions. What is kept is bounded: so many
 * combinations of values, and so many fields of each, since fragments can make many fields of a short document.
 */
const createSelections = (
  schema: GraphQLSchema,
  document: DocumentNode,
  fragments: Record<string, FragmentDefinitionNode>,
): ((variableValues: Variables) => Selection) => {
  const conditions = conditionVariables(document);
  const selections = new Map<string, Selection>();
  return (variableValues) => {
    const key = conditions.map((name) => describeValue(variableValues, name)).join();
    const known = selections.get(key);
    if (known && known.size() <= MAX_FIELDS) return known;
    const selection = createSelection({ schema, fragments, variableValues });
    if (selections.size >= MAX_SELECTIONS) selections.clear();
    selections.set(key, selection);
    return selection;
  };
};

/** Tells values apart that conditions depend on: also no value from null, because the errors differ. */
const describeValue = (values: Variables, name: string): string =>
  Object.hasOwn(values, name) ? JSON.stringify(values[name]) : '';
