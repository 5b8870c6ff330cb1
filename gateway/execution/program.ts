import { executeSync, GraphQLError, type GraphQLSchema, Kind } from 'graphql';
import { isAboutArgument } from '../../subgraphs/kit/errors.ts';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import type { AnswerBudget } from '../cost/answer-budget.ts';
import { createToClientErrors } from './client-errors.ts';
import type { Data } from './data.ts';
import { explainPlan, type PlanNode } from './explain.ts';
import { createSend } from './fetch.ts';
import type { FetchOptions } from './input.ts';
import { joinFetches } from './join-fetches.ts';
import { mergeParts } from './merge-parts.ts';
import type { Path } from './objects-at.ts';
import type { Prepared } from './prepare.ts';
import { createRunner, type ProgramRun } from './schedule.ts';
import { collectFields, isSelected } from './selections.ts';
import { createShape, type Shaping } from './shape.ts';
import { type Fetch, fetchesOf, type Step } from './steps.ts';
import type { SubgraphClient, SubgraphError } from './subgraph-request.ts';

type Variables = Readonly<Record<string, unknown>>;

export type Answer = {
  /** Undefined where the request itself could not be taken. */
  readonly data?: Data | null;
  readonly errors: readonly (SubgraphError | GraphQLError)[];
  /** What of the data is older than it should be, by the client's paths. */
  readonly stale: readonly StaleNote[];
  /** Draws what the program does, where there is one. */
  readonly outline?: () => PlanNode | undefined;
};

/** The variables of one request. */
export type RequestVariables = {
  /** As the client sent them, which is how subgraphs get them. */
  readonly sent: Variables;
  /** With defaults, as GraphQL's rules make them. */
  readonly coerced: Variables;
};

/**
 * An operation ready to be executed many times. Never rejects for what a subgraph does, but with what `takeTurn` rejects
 * with, and with what the budget throws.
 */
export type Program<Context> = (variables: RequestVariables, context: Context, pace: Pace) => Promise<Answer>;

/** What keeps an execution from keeping others waiting. */
export type Pace = {
  /** Called, and waited for, before each stretch of work that takes long; undefined where the answer is small. */
  readonly takeTurn?: (() => Promise<void> | undefined) | undefined;
  /** Creates the budget of the answer when it is about to be shaped. */
  readonly createBudget: () => AnswerBudget;
};

export type CompileOptions<Context> = FetchOptions & {
  /** What clients see. */
  readonly apiSchema: GraphQLSchema;
  readonly prepared: Prepared;
  /** The plan of each of the operation's parts. */
  readonly steps: readonly Step[];
  readonly clientOf: (subgraph: string) => SubgraphClient<Context>;
};

/** Compiles an operation's plan: joins what can be asked together, prepares every request, writes how the answer is shaped. */
export const compile = <Context>(options: CompileOptions<Context>): Program<Context> => {
  const { apiSchema, prepared, clientOf } = options;
  const { operation, fragments } = prepared;
  const steps = options.steps.map(joinFetches);
  const fetches = steps.flatMap(fetchesOf);
  const sendOf = (fetch: Fetch) => createSend(options, fetch, clientOf(fetch.subgraph));
  const runners = steps.map((step) => createRunner(step, sendOf));
  const outline = () => explainPlan(steps);
  const shape = createShape(apiSchema, operation, fragments, prepared.clientName);
  const introspect = createIntrospection(options);
  const toOwnNames = createToOwnNames(prepared);
  const toClientPath = createToClientPath(prepared, fetches);
  const toClientErrors = createToClientErrors(prepared, toClientPath);

  return async (given, context, { takeTurn, createBudget }) => {
    let turn: Promise<void> | undefined;
    const sent = toOwnNames(given.sent);
    const variables = toOwnNames(given.coerced);
    if (fetches.length === 0 && selectsData(options, variables)) return UNRESOLVABLE;
    // Wait before creating anything: objects that wait are promoted to the old generation, with all they refer to later.
    turn = takeTurn?.();
    if (turn) await turn;
    const runs = runners.map((): ProgramRun<Context> => {
      return {
        context,
        sent,
        variables,
        data: {},
        hasFailures: false,
        errors: [],
        stale: [],
        shared: new Map(),
        takeTurn,
      };
    });
    const [first] = runs as [ProgramRun<Context>];
    if (runners.length === 1) await runners[0]?.(first);
    else {
      await Promise.all(runners.map((work, index) => work(runs[index] as ProgramRun<Context>)));
      const data = runs.map((run) => run.data);
      if (!mergeParts(data, prepared.requiredNames, first)) return CHANGED;
    }
    turn = takeTurn?.();
    if (turn) await turn;
    const shaping: Shaping = Object.assign(createBudget(), {
      variables,
      hasFailures: runs.some(({ hasFailures }) => hasFailures),
      errors: [],
      introspect: introspect(sent),
    });
    const data = shape(first.data, shaping);
    // The caller serializes the answer next, which takes about as long as shaping it.
    turn = takeTurn?.();
    if (turn) await turn;
    const errors = [...shaping.errors, ...runs.flatMap((run) => run.errors)];
    const stale = runs.flatMap((run) => run.stale);
    return {
      data,
      errors: errors.length > 0 ? toClientErrors(errors, data) : errors,
      stale: stale.length > 0 ? stale.map((note) => ({ ...note, path: toClientPath(note.path) })) : stale,
      outline,
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

const rootFields = ({ apiSchema, prepared: { operation, fragments } }: CompileOptions<never>) => {
  const typename = apiSchema.getRootType(operation.operation)?.name ?? '';
  return collectFields(apiSchema, typename, [{ selectionSet: operation.selectionSet, conditions: [] }], fragments);
};

/** Whether a request selects anything at the root but `__typename` and what introspects. */
const selectsData = (options: CompileOptions<never>, variables: Variables): boolean =>
  [...rootFields(options).values()].some(
    (selected) => !selected[0]?.node.name.value.startsWith('__') && isSelected(selected, variables),
  );

/**
 * Answers `__schema` and `__type`, which are about what clients see and need no subgraph: all of them in one execution,
 * when the first is asked for.
 */
const createIntrospection = (options: CompileOptions<never>) => {
  const { apiSchema, prepared } = options;
  const { operation, fragments } = prepared;
  const selections = [...rootFields(options).values()]
    .flatMap((selected) => selected.map(({ node }) => node))
    .filter(({ name: { value } }) => value.startsWith('__') && value !== '__typename');
  const document = {
    kind: Kind.DOCUMENT,
    definitions: [{ ...operation, selectionSet: { kind: Kind.SELECTION_SET, selections } }, ...fragments.values()],
  } as const;

  const execute = (variables: Variables): Data => {
    const { data, errors } = executeSync({ schema: apiSchema, document, variableValues: variables });
    const [error] = errors ?? [];
    if (!error) return (data ?? {}) as Data;
    const cause = error.originalError instanceof GraphQLError ? error.originalError : error;
    if (isAboutArgument(cause)) throw new GraphQLError(cause.message, { extensions: { code: 'BAD_USER_INPUT' } });
    // A fault of ours: an operation that could fail was not let in.
    throw error;
  };

  return (variables: Variables): ((name: string) => unknown) => {
    let result: Data | undefined;
    return (name) => {
      result ??= execute(variables);
      return result[name];
    };
  };
};

/** Gives variables the names that they have in the plan. */
const createToOwnNames = ({ clientVariable, operation }: Prepared): ((values: Variables) => Variables) => {
  const names = (operation.variableDefinitions ?? []).map(({ variable }) => variable.name.value);
  if (names.every((name) => clientVariable(name) === name)) return (values) => values;
  return (values) => Object.fromEntries(names.map((name) => [name, values[clientVariable(name)]]));
};

/** Names in the data are not always the client's: some were changed before planning, some by the planner. */
const createToClientPath = ({ clientName }: Prepared, fetches: readonly Fetch[]): ((path: Path) => Path) => {
  const planned = new Map<string, string>();
  for (const { renamed } of fetches.flatMap(({ inputs }) => inputs)) {
    for (const { path, name } of renamed) planned.set(path.at(-1) ?? '', name);
  }
  return (path) => path.map((step) => (typeof step === 'number' ? step : clientName(planned.get(step) ?? step)));
};
