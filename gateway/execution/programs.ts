import { monotonicNow } from '../../runtime/clock.ts';
import type { TurnQueue } from '../../runtime/turn-queue.ts';
import type { PlanEvent } from '../../telemetry/events.ts';
import type { PlanCacheState } from '../../telemetry/state.ts';
import type { AccessRule, AccessRules } from '../auth/access-rules.ts';
import type { Planner } from '../planning/planner.ts';
import type { ClientOperation, OperationInUse } from './client-operation.ts';
import { type ConditionValues, conditionVariables, needsConditionValues } from './conditions.ts';
import { deferVariables } from './defer-directives.ts';
import type { OverrideConditions } from './overrides.ts';
import { extractOperation, prepareOperation } from './prepare.ts';
import {
  type CompileOptions,
  compile,
  type ExecutionResponse,
  type Program,
  type RequestVariables,
} from './program.ts';
import { createProgramCache } from './program-cache.ts';
import type { Requirements } from './requirements.ts';
import { fetchesOf } from './steps.ts';
import type { IsAuthorized } from './unauthorized-fields.ts';
import { withoutIntrospection } from './without-introspection.ts';

/** Called when an operation has been planned and compiled, or could not be, for the request that came first. */
export type OnPlan<Context> = (event: Omit<PlanEvent, 'type'>, context: Context) => void;

export type ProgramsOptions<Context> = Omit<CompileOptions<Context>, 'prepared' | 'steps' | 'takeTurn'> & {
  readonly planner: Planner;
  readonly requirements: Requirements;
  /** Undefined without authorization. */
  readonly accessRules: AccessRules | undefined;
  /** Whether an operation with unauthorized fields is rejected. Otherwise only these fields are null. */
  readonly rejects: boolean;
  readonly decideOverrides: (document: ClientOperation['document']) => OverrideConditions;
  /** Maximum number of cached programs, and their approximate total size in bytes. */
  readonly maxPrograms: number;
  readonly maxProgramBytes: number;
  /** Yields between long stretches of synchronous work. */
  readonly turns: TurnQueue;
  readonly onPlan?: OnPlan<Context> | undefined;
};

/** What an operation has been compiled to: its program, or the response to a request that may not read anything of it. */
export type Selected<Context> = Program<Context> | ExecutionResponse;

/** What the program of an operation depends on, in a request. */
export type ProgramRequest = {
  /** The operation's access rules that the request does not satisfy, in the order of the operation. */
  readonly unmet: readonly AccessRule[];
  /** Whether the response can have several parts, and the operation has `@defer`. */
  readonly isDeferred: boolean;
};

/** The programs of the operations in use. */
export type Programs<Context> = {
  /** Returns an operation's program, or a promise of it if it must be planned and compiled first. */
  readonly programFor: (
    operation: ClientOperation,
    variables: RequestVariables,
    request: ProgramRequest,
    context: Context,
  ) => Selected<Context> | Promise<Selected<Context>>;
  /** Compiles the program of an operation, for requests to come. */
  readonly warm: (operation: ClientOperation, request: ProgramRequest) => Promise<void>;
  /** Operations with a cached program, most recently used first. */
  readonly operations: () => OperationInUse[];
  /** Returns the number and size of the cached programs. */
  readonly state: () => PlanCacheState;
};

/** The cache entry of an operation. */
type CachedProgram<Context> = {
  readonly operation: OperationInUse;
  /**
   * The program; the response if the request may not read anything of the operation; or the names of the condition variables
   * whose values select a program.
   */
  readonly program: Program<Context> | ExecutionResponse | readonly string[];
  /** Approximate memory use, in bytes. */
  readonly bytes: number;
};

/** What the program of an operation depends on, besides the operation. */
type Variant = ProgramRequest & {
  readonly overrides: OverrideConditions;
  /** The known values of variables in `@skip` and `@include`, and in `@defer` if there are parts. */
  readonly conditions?: ConditionValues | undefined;
};

const isNames = (program: CachedProgram<never>['program']): program is readonly string[] => Array.isArray(program);

// Measured: 150 heavy queries with plans of 8.1 kB each took 474 kB each, for documents and functions, including those of
// in-process subgraphs. The operation text, including comments, is added: every document retains its own.
const BYTES_PER_PLAN_CHARACTER = 60;
const BYTES_PER_TEXT_CHARACTER = 2;
const BYTES_PER_ENTRY = 1_000;

/** Creates the programs of a version of the graph. Operations are planned and compiled on first use. */
export const createPrograms = <Context>(options: ProgramsOptions<Context>): Programs<Context> => {
  const { apiSchema, planner, requirements, accessRules, rejects, decideOverrides, turns } = options;
  const programs = createProgramCache<CachedProgram<Context>>({
    maxEntries: options.maxPrograms,
    maxBytes: options.maxProgramBytes,
  });

  const compileProgram = async (
    operation: ClientOperation,
    { overrides, unmet, isDeferred, conditions }: Variant,
  ): Promise<CachedProgram<Context>> => {
    const { document, operationName } = operation;
    const textBytes = BYTES_PER_ENTRY + (document.loc?.source.body.length ?? 0) * BYTES_PER_TEXT_CHARACTER;
    const inUse = { ...operation, unmet: new Set(unmet.map(({ key }) => key)), isDeferred };
    if ((unmet.length > 0 || isDeferred) && !conditions) {
      // Only a selected field can be unauthorized, and a part has only what is selected.
      const extracted = extractOperation(document, operationName);
      const variables = [...conditionVariables(extracted), ...(isDeferred ? deferVariables(extracted) : [])];
      if (variables.length > 0) return { operation: inUse, bytes: textBytes, program: variables };
    }
    let turn = turns.take();
    if (turn) await turn;
    const isAuthorized: IsAuthorized = (typename, field) =>
      accessRules?.ofField(typename, field).every((rule) => !unmet.includes(rule)) ?? true;
    const prepared = prepareOperation(apiSchema, requirements, document, operationName, {
      conditions,
      isDeferred,
      ...(unmet.length > 0 && { isAuthorized }),
    });
    const { unauthorized } = prepared;
    if (prepared.parts.length === 0 || (rejects && unauthorized.length > 0)) {
      return { operation: inUse, bytes: textBytes, program: { data: null, errors: unauthorized, stale: [] } };
    }
    const plans = await Promise.all(
      prepared.parts.map((part) => planner.plan(withoutIntrospection(part), overrides.values)),
    );
    turn = turns.take();
    if (turn) await turn;
    const steps = plans.map(({ step }) => step);
    const planCharacters = plans.reduce((sum, { characters }) => sum + characters, 0);
    const bytes = planCharacters * BYTES_PER_PLAN_CHARACTER + textBytes;
    const needsValues =
      !conditions &&
      prepared.parts.some((part) => needsConditionValues(part, steps.flatMap(fetchesOf), requirements.keyFieldNames));
    if (needsValues) {
      const variables = prepared.parts.flatMap(conditionVariables).map(prepared.clientVariable);
      return { operation: inUse, bytes, program: [...new Set(variables)] };
    }
    turn = turns.take();
    if (turn) await turn;

    const program = await compile({
      ...options,
      prepared,
      steps,
      takeTurn: () => turns.take(),
    });
    return { operation: inUse, bytes, program };
  };

  /** Compiles the program of an operation for the request that came first. */
  const compileFirst = async (
    operation: ClientOperation,
    variant: Variant,
    context: Context,
  ): Promise<CachedProgram<Context>> => {
    const startedAt = monotonicNow();
    const announce = (isFailed: boolean) =>
      options.onPlan?.({ isFailed, startedAt, durationMs: monotonicNow() - startedAt }, context);
    try {
      const compiled = await compileProgram(operation, variant);
      announce(false);
      return compiled;
    } catch (error) {
      announce(true);
      throw error;
    }
  };

  const keyOf = ({ operationName = '', hash }: ClientOperation): string => `${operationName} ${hash}`;

  const variantKey = (operation: ClientOperation, { overrides, unmet, isDeferred }: Variant): string =>
    `${keyOf(operation)} ${isDeferred ? '@defer ' : ''}${overrides.key}${unmet.map((rule) => ` ${rule.key}`).join('')}`;

  const programFor = (
    operation: ClientOperation,
    { coerced }: RequestVariables,
    request: ProgramRequest,
    context: Context,
  ): Selected<Context> | Promise<Selected<Context>> => {
    const variant = { ...request, overrides: decideOverrides(operation.document) };
    const key = variantKey(operation, variant);
    const cached = programs.get(key)?.program;
    if (cached && !isNames(cached)) return cached;
    const compileFor = async (): Promise<Selected<Context>> => {
      const { program } = await programs.getOrCompile(key, () => compileFirst(operation, variant, context));
      if (!isNames(program)) return program;
      const conditions = Object.fromEntries(program.map((name) => [name, coerced[name]]));
      const specialized = await programs.getOrCompile(`${key} ${JSON.stringify(conditions)}`, () =>
        compileFirst(operation, { ...variant, conditions }, context),
      );
      return specialized.program as Selected<Context>;
    };
    return compileFor();
  };

  return {
    programFor,
    warm: async (operation, request) => {
      const variant = { ...request, overrides: decideOverrides(operation.document) };
      await programs.getOrCompile(variantKey(operation, variant), () => compileProgram(operation, variant));
    },
    operations: () => [
      ...new Map(
        [...programs.entries()].map(({ operation }) => [
          [keyOf(operation), operation.isDeferred, ...(operation.unmet ?? [])].join(' '),
          operation,
        ]),
      ).values(),
    ],
    state: programs.state,
  };
};
