import type { QueryPlan } from '@apollo/query-planner';
import { executeSync, type FieldNode, type GraphQLError, type GraphQLSchema, Kind } from 'graphql';
import { getVariableValues } from 'graphql/execution/values.js';
import type { StaleNote } from '../../subgraphs/field.ts';
import type { Data } from './data.ts';
import { createSend } from './fetch.ts';
import { joinFetches } from './join-fetches.ts';
import { mergeParts } from './merge-parts.ts';
import type { Path } from './objects-at.ts';
import type { Prepared } from './prepare.ts';
import { createWork, type Running } from './schedule.ts';
import { collectFields } from './selections.ts';
import { createShape, type Shaping } from './shape.ts';
import { type Fetch, fetchesOf, readPlan } from './steps.ts';
import type { SubgraphClient, SubgraphError } from './subgraph-request.ts';

type Variables = Readonly<Record<string, unknown>>;

export type Answer = {
  /** Undefined where the request itself could not be taken. */
  readonly data?: Data | null;
  readonly errors: readonly (SubgraphError | GraphQLError)[];
  /** What of the data is older than it should be, by the client's paths. */
  readonly stale: readonly StaleNote[];
};

/** An operation ready to be executed many times. Never rejects for what a subgraph does. */
export type Program<Context> = (variables: Variables, context: Context) => Promise<Answer>;

export type CompileOptions<Context> = {
  /** What clients see. */
  readonly apiSchema: GraphQLSchema;
  /** The same with everything that only subgraphs and the planner see. */
  readonly supergraphSchema: GraphQLSchema;
  readonly prepared: Prepared;
  /** A plan for each of the operation's parts. */
  readonly plans: readonly QueryPlan[];
  readonly clientOf: (subgraph: string) => SubgraphClient<Context>;
};

/**
 * Compiles an operation's plans: reads them, joins what can be asked together, prepares every request, and writes how
 * the answer is shaped. Throws UnsupportedPlan.
 */
export const compile = <Context>(options: CompileOptions<Context>): Program<Context> => {
  const { apiSchema, supergraphSchema, prepared, plans, clientOf } = options;
  const { operation, fragments } = prepared;
  const steps = plans.map((plan) => joinFetches(readPlan(plan)));
  const fetches = steps.flatMap(fetchesOf);
  if (fetches.length === 0 && selectsData(options)) return async () => UNRESOLVABLE;
  const sendOf = (fetch: Fetch) => createSend(supergraphSchema, fetch, clientOf(fetch.subgraph));
  const works = steps.map((step) => createWork(step, sendOf));
  const shape = createShape(apiSchema, operation, fragments, prepared.clientName);
  const introspect = createIntrospection(options);
  const readVariables = createReadVariables(apiSchema, prepared);
  const toClientPath = createToClientPath(prepared, fetches);

  return async (given, context) => {
    const { errors: refused, sent, variables } = readVariables(given);
    if (refused) return { errors: refused, stale: [] };
    const runs = works.map((): Running<Context> => {
      return { context, sent, variables, data: {}, hasFailures: false, errors: [], stale: [], shared: new Map() };
    });
    const [first] = runs as [Running<Context>];
    if (works.length === 1) await works[0]?.(first);
    else {
      await Promise.all(works.map((work, index) => work(runs[index] as Running<Context>)));
      if (
        !mergeParts(
          runs.map(({ data }) => data),
          prepared.requiredNames,
        )
      )
        return CHANGED;
    }
    const shaping: Shaping = {
      variables,
      hasFailures: runs.some(({ hasFailures }) => hasFailures),
      errors: [],
      introspect: (name) => introspect(name, sent),
    };
    const data = shape(first.data, shaping);
    const errors = [...shaping.errors, ...runs.flatMap((run) => run.errors)];
    const stale = runs.flatMap((run) => run.stale);
    return {
      data,
      errors: errors.length > 0 ? withoutRepetition(errors.map((error) => withPath(error, toClientPath))) : errors,
      stale: stale.length > 0 ? stale.map((note) => ({ ...note, path: toClientPath(note.path) })) : stale,
    };
  };
};

const refusal = (message: string, code: string): Answer => ({
  data: null,
  errors: [{ message, extensions: { code } }],
  stale: [],
});

const UNRESOLVABLE = refusal('No service can be asked for this.', 'OPERATION_UNRESOLVABLE');

const CHANGED = refusal('What was asked for changed while it was read. Ask again.', 'UPSTREAM_BAD_RESPONSE');

/** The root's own fields: without `__typename` and the two that introspect. */
const selectsData = ({ apiSchema, prepared: { operation, fragments } }: CompileOptions<never>): boolean =>
  [...rootFields(apiSchema, operation, fragments)].some(([, node]) => !node.name.value.startsWith('__'));

const rootFields = (
  schema: GraphQLSchema,
  operation: Prepared['operation'],
  fragments: Prepared['fragments'],
): [string, FieldNode][] => {
  const typename = schema.getRootType(operation.operation)?.name ?? '';
  const fields = collectFields(schema, typename, [{ selectionSet: operation.selectionSet, conditions: [] }], fragments);
  return [...fields].flatMap(([name, selected]) => selected.map(({ node }): [string, FieldNode] => [name, node]));
};

/** Answers `__schema` and `__type`, which are about what clients see and need no subgraph. */
const createIntrospection = ({ apiSchema, prepared: { operation, fragments } }: CompileOptions<never>) => {
  const selections = rootFields(apiSchema, operation, fragments)
    .map(([, node]) => node)
    .filter(({ name: { value } }) => value.startsWith('__') && value !== '__typename');
  const document = {
    kind: Kind.DOCUMENT,
    definitions: [{ ...operation, selectionSet: { kind: Kind.SELECTION_SET, selections } }, ...fragments.values()],
  } as const;
  return (name: string, variables: Variables): unknown => {
    return executeSync({ schema: apiSchema, document, variableValues: variables }).data?.[name];
  };
};

/** Reads a request's variables by GraphQL's rules, for the conditions; subgraphs get them as they were sent. */
const createReadVariables = (schema: GraphQLSchema, { clientOperation, clientVariable, operation }: Prepared) => {
  const definitions = clientOperation.variableDefinitions ?? [];
  const names = (operation.variableDefinitions ?? []).map(({ variable }) => variable.name.value);
  const isRenamed = names.some((name) => clientVariable(name) !== name);
  const rename = (values: Variables): Variables =>
    isRenamed ? Object.fromEntries(names.map((name) => [name, values[clientVariable(name)]])) : values;
  return (given: Variables) => {
    if (definitions.length === 0) return { sent: given, variables: given };
    const { errors, coerced = {} } = getVariableValues(schema, definitions, given);
    return { errors, sent: rename(given), variables: rename(coerced) };
  };
};

/** Names in the data are not always the client's: some were changed before planning, some by the planner. */
const createToClientPath = ({ clientName }: Prepared, fetches: readonly Fetch[]): ((path: Path) => Path) => {
  const planned = new Map<string, string>();
  for (const { renamed } of fetches.flatMap(({ inputs }) => inputs)) {
    for (const { path, name } of renamed) planned.set(path.at(-1) ?? '', name);
  }
  return (path) => path.map((step) => (typeof step === 'number' ? step : clientName(planned.get(step) ?? step)));
};

const withPath = (error: SubgraphError, toClientPath: (path: Path) => Path): SubgraphError =>
  error.path ? { ...error, path: toClientPath(error.path) } : error;

/** An object that stands at several places of the plan can have failed for each. */
const withoutRepetition = (errors: readonly SubgraphError[]): SubgraphError[] => [
  ...new Map(errors.map((error) => [JSON.stringify([error.path, error.message, error.extensions]), error])).values(),
];
