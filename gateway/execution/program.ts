import { executeSync, GraphQLError, type GraphQLSchema, Kind } from 'graphql';
import { isAboutArgument } from '../../subgraphs/kit/errors.ts';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import { createOperationCalls, type OperationCallCosts, type OperationCallOptions } from '../cost/operation-calls.ts';
import type { ResponseBudget } from '../cost/response-budget.ts';
import { createClientErrorMapper } from './client-errors.ts';
import type { Data } from './data.ts';
import { createPartsDelivery } from './deliver-parts.ts';
import type { Recipient } from './delivery.ts';
import { type Explanation, explainPlan, type PlanNode, queryOf } from './explain.ts';
import { compileFetch, type SendFetch, variablesFor } from './fetch.ts';
import { type FetchOptions, withServiceName } from './fetch-target.ts';
import { joinFetches } from './join-fetches.ts';
import { mergeParts } from './merge-parts.ts';
import type { Path } from './objects-at.ts';
import { postponeFetches } from './postpone-fetches.ts';
import type { PreparedOperation } from './prepare.ts';
import { announcing, startParts } from './run-parts.ts';
import { createRunner, type ProgramRun, type Runner } from './schedule.ts';
import { collectFields, isSelected } from './selections.ts';
import { createShapes, type Shaping } from './shape.ts';
import { type SplitPlanOptions, splitPlan } from './split-plan.ts';
import { type Fetch, fetchesOf, type Step } from './steps.ts';
import type {
  SubgraphClient,
  SubgraphError,
  SubgraphResponse,
  SubgraphSubscription,
  SubscribeOptions,
} from './subgraph-request.ts';
import { isRemoved } from './unauthorized-fields.ts';

type Variables = Readonly<Record<string, unknown>>;

export type ExecutionResponse = {
  /** Undefined if the request was rejected before execution. */
  readonly data?: Data | null;
  readonly errors: readonly (SubgraphError | GraphQLError)[];
  /** Notes about stale data, with the client's paths. */
  readonly stale: readonly StaleNote[];
  /** Whether the response depends on who sends the request. */
  readonly isPersonal?: boolean;
  /** Whether the response has been delivered in parts. */
  readonly isDelivered?: boolean;
  /** What the operation would cost, if it was only explained. */
  readonly explanation?: Explanation;
  /** Describes the executed plan. Undefined if the operation has no program. */
  readonly explain?: () => PlanNode | undefined;
};

/** The variables of one request. */
export type RequestVariables = {
  /** Values as the client sent them. Subgraphs receive these. */
  readonly raw: Variables;
  /** Coerced values, including defaults. */
  readonly coerced: Variables;
};

/**
 * A compiled operation, which can be executed many times. `execute` never rejects because of a subgraph. It rejects when
 * `takeTurn` rejects and when the response budget throws.
 */
export type Program<Context> = {
  readonly execute: (
    variables: RequestVariables,
    context: Context,
    controls: ExecutionControls,
  ) => Promise<ExecutionResponse>;
  /** Subscribes to the events of a subscription. Undefined for queries and mutations. */
  readonly subscribe:
    | ((
        variables: RequestVariables,
        context: Context,
        options: SubscribeOptions<Context>,
      ) => Promise<SubgraphSubscription<Context>>)
    | undefined;
  /** The subgraphs that it reads from. */
  readonly subgraphs: readonly string[];
  /** Returns the input of `calls` for the variables of a request. */
  readonly planVariables: (variables: RequestVariables) => Variables;
  /** The provider calls of the operation. */
  readonly calls: OperationCallCosts;
  /** Describes the plan. Undefined if nothing is fetched. */
  readonly explain: () => PlanNode | undefined;
};

/** Keeps an execution from blocking other requests. */
export type ExecutionControls = {
  /** Called and awaited before each long stretch of synchronous work. Undefined if the response is small. */
  readonly takeTurn?: (() => Promise<void> | undefined) | undefined;
  /** Reads the event of a subscription for which it is executed. */
  readonly event?: (() => Promise<SubgraphResponse>) | undefined;
  /** Receives the parts of the response, if the program has deferred ones. */
  readonly recipient?: Recipient | undefined;
  /** Creates the budget of the response just before it is shaped. */
  readonly createBudget: () => ResponseBudget;
};

export type CompileOptions<Context> = FetchOptions & {
  /** The public schema. */
  readonly apiSchema: GraphQLSchema;
  readonly prepared: PreparedOperation;
  /** The plan of each part of the operation. */
  readonly steps: readonly Step[];
  /** How the plan of an operation with deferred parts can be split. */
  readonly splitting: Omit<SplitPlanOptions, 'schema'>;
  readonly clientOf: (subgraph: string) => SubgraphClient<Context>;
  readonly callCosts: Pick<OperationCallOptions, 'providerOf' | 'measurements' | 'costDirectives' | 'assumedListSize'>;
  /** Called and awaited between the stretches of work. An operation can have hundreds of fetches. */
  readonly takeTurn: () => Promise<void> | undefined;
};

/** Compiles an operation's plan: joins fetches, prepares every request and generates the code that shapes the response. */
export const compile = async <Context>(options: CompileOptions<Context>): Promise<Program<Context>> => {
  const { apiSchema, prepared, clientOf, takeTurn } = options;
  const { operation, fragments } = prepared;
  const optimize = (step: Step): Step => joinFetches(postponeFetches(step));
  const [plan] = options.steps;
  const inParts =
    prepared.deferred && plan
      ? splitPlan({ ...options.splitting, schema: options.supergraphSchema }, plan, prepared.deferred)
      : undefined;
  const steps = (inParts ? [inParts.first] : options.steps).map(optimize);
  const deferred = (inParts?.deferred ?? []).map((one) => ({ ...one, step: optimize(one.step) }));
  const allSteps = deferred.length > 0 ? [...steps, ...deferred.map(({ step }) => step)] : steps;
  const fetches = allSteps.flatMap(fetchesOf);
  const sends = new Map<Fetch, SendFetch<Context>>();
  let turn: Promise<void> | undefined;
  for (const fetch of fetches) {
    turn = takeTurn();
    if (turn) await turn;
    sends.set(fetch, announcing(fetch, compileFetch(options, fetch, clientOf(fetch.subgraph))));
  }
  const toRunner = (step: Step) => createRunner(step, (fetch) => sends.get(fetch) as SendFetch<Context>);
  const runners = steps.map(toRunner);
  const deferredRunners = deferred.map(({ step, ...one }) => ({ ...one, run: toRunner(step) }));
  const explain = () =>
    explainPlan(
      deferred.length === 0
        ? steps
        : [
            {
              kind: 'sequence',
              steps: [...steps, { kind: 'parallel', steps: deferred.map(({ step }) => step), shared: [] }],
            },
          ],
    );
  turn = takeTurn();
  if (turn) await turn;
  const shapes = createShapes(apiSchema, fragments, prepared.clientName);
  const rootType = apiSchema.getRootType(operation.operation)?.name ?? '';
  const shape = shapes.ofObject(rootType, (inParts && prepared.deferred ? prepared.deferred : operation).selectionSet);
  const introspect = createIntrospection(options);
  const renameVariables = createVariableRenamer(prepared);
  const toClientPath = createClientPathMapper(prepared, fetches);
  const toClientErrors = createClientErrorMapper(prepared, toClientPath);
  const toClientNotes = (notes: readonly StaleNote[]): readonly StaleNote[] =>
    notes.length > 0 ? notes.map((note) => ({ ...note, path: toClientPath(note.path) })) : notes;
  const deliverParts =
    inParts &&
    prepared.deferred &&
    createPartsDelivery({ schema: apiSchema, shapes, prepared, deferred: prepared.deferred, shape, toClientErrors });

  const execute: Program<Context>['execute'] = async (requestVariables, context, controls) => {
    const { takeTurn, createBudget, event, recipient } = controls;
    let turn: Promise<void> | undefined;
    const rawVariables = renameVariables(requestVariables.raw);
    const variables = renameVariables(requestVariables.coerced);
    if (fetches.length === 0 && selectsData(options, variables)) return UNRESOLVABLE;
    // Wait before creating objects: V8 would promote waiting objects to the old generation, with all they refer to later.
    turn = takeTurn?.();
    if (turn) await turn;
    const createRun = (): ProgramRun<Context> => {
      return {
        context,
        rawVariables,
        variables,
        data: {},
        hasFailures: false,
        errors: [],
        stale: [],
        shared: new Map(),
        event,
        takeTurn,
      };
    };
    const createShaping = (hasFailures: boolean): Shaping =>
      Object.assign(createBudget(), { variables, hasFailures, errors: [], introspect: introspect(rawVariables) });
    if (deliverParts && recipient) {
      const {
        first,
        firstDone,
        deferred: late,
      } = startParts(createRun(), runners[0] as Runner<Context>, deferredRunners);
      const response = await deliverParts({
        data: first.data,
        first: firstDone,
        errors: first.errors,
        hasFailures: () => first.hasFailures,
        // What several parts need is told with one of them.
        errorsOf: ({ id }) => late.filter(({ parts: [part] }) => part === id).flatMap(({ run }) => run.errors),
        fetched: ({ id }) => Promise.all(late.filter(({ parts }) => parts.includes(id)).map(({ done }) => done)),
        createShaping: () => createShaping(first.hasFailures),
        takeTurn,
        recipient,
      });
      const stale = [first, ...late.map(({ run }) => run)].flatMap((run) => run.stale);
      return { ...response, stale: toClientNotes(stale), explain, isDelivered: true };
    }
    const runs = runners.map(createRun);
    const [first] = runs as [ProgramRun<Context>];
    if (runners.length === 1) await runners[0]?.(first);
    else {
      await Promise.all(runners.map((runner, index) => runner(runs[index] as ProgramRun<Context>)));
      const data = runs.map((run) => run.data);
      if (!mergeParts(data, prepared.requiredNames, first)) return DATA_CHANGED;
    }
    turn = takeTurn?.();
    if (turn) await turn;
    const shaping = createShaping(runs.some(({ hasFailures }) => hasFailures));
    const data = shape(first.data, shaping);
    // The caller serializes the response next, which takes about as long as shaping it.
    turn = takeTurn?.();
    if (turn) await turn;
    const errors = [...shaping.errors, ...runs.flatMap((run) => run.errors)];
    const stale = runs.flatMap((run) => run.stale);
    return {
      data,
      errors: errors.length > 0 ? toClientErrors(errors, data) : errors,
      stale: toClientNotes(stale),
      explain,
    };
  };

  turn = takeTurn();
  if (turn) await turn;
  const calls = createOperationCalls({
    ...options.callCosts,
    supergraphSchema: options.supergraphSchema,
    apiSchema,
    operation,
    fragments,
    steps: allSteps,
  });
  const source = fetches.find(({ kind }) => kind === 'subscription');
  const open = source && clientOf(source.subgraph).prepareSubscription?.({ ...source, query: queryOf(source) });
  const subscribe: Program<Context>['subscribe'] =
    open &&
    (async ({ raw }, context, subscribeOptions) => {
      const variables = variablesFor(source, renameVariables(raw));
      const opened = await open({ variables }, context, subscribeOptions);
      return 'events' in opened ? opened : opened.map((error) => withServiceName(error, source.subgraph));
    });
  const subgraphs = [...new Set(fetches.map(({ subgraph }) => subgraph))];
  return { execute, subscribe, subgraphs, calls, explain, planVariables: ({ coerced }) => renameVariables(coerced) };
};

const errorResponse = (message: string, code: string): ExecutionResponse => ({
  data: null,
  errors: [{ message, extensions: { code } }],
  stale: [],
});

const UNRESOLVABLE = errorResponse('No service can resolve this operation.', 'OPERATION_UNRESOLVABLE');

const DATA_CHANGED = errorResponse('Data changed during the read. Retry the operation.', 'UPSTREAM_BAD_RESPONSE');

const rootFields = ({ apiSchema, prepared: { operation, fragments } }: CompileOptions<never>) => {
  const typename = apiSchema.getRootType(operation.operation)?.name ?? '';
  return collectFields(apiSchema, typename, [{ selectionSet: operation.selectionSet, conditions: [] }], fragments);
};

/** Returns whether a request fetches any root field: not a removed one, `__typename` or an introspection field. */
const selectsData = (options: CompileOptions<never>, variables: Variables): boolean =>
  [...rootFields(options).values()].some((selected) => {
    const isFetched = selected.some(({ node }) => !node.name.value.startsWith('__') && !isRemoved(node));
    return isFetched && isSelected(selected, variables);
  });

/**
 * Resolves `__schema` and `__type` against the public schema, without subgraphs. All such fields of an operation are resolved
 * in one execution, when the first one is needed.
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
    // An internal error: validation rejects every operation that could fail here.
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

/** Creates a function that renames variables from the client's names to the plan's. */
const createVariableRenamer = ({
  clientVariable,
  operation,
}: PreparedOperation): ((values: Variables) => Variables) => {
  const names = (operation.variableDefinitions ?? []).map(({ variable }) => variable.name.value);
  if (names.every((name) => clientVariable(name) === name)) return (values) => values;
  return (values) =>
    Object.fromEntries(
      names.flatMap((name) => {
        const given = clientVariable(name);
        return Object.hasOwn(values, given) ? [[name, values[given]]] : [];
      }),
    );
};

/** Creates a function that maps internal paths to client paths. Some names were changed before planning, some by the planner. */
const createClientPathMapper = (
  { clientName }: PreparedOperation,
  fetches: readonly Fetch[],
): ((path: Path) => Path) => {
  const planned = new Map<string, string>();
  for (const { renames } of fetches.flatMap(({ targets }) => targets)) {
    for (const { path, name } of renames) planned.set(path.at(-1) ?? '', name);
  }
  return (path) => path.map((step) => (typeof step === 'number' ? step : clientName(planned.get(step) ?? step)));
};
