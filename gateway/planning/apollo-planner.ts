import { type DocumentNode, GraphQLError, Kind, print, Source } from 'graphql';
import { operationIn } from '../execution/steps.ts';
import { readApolloPlan } from './apollo-plan.ts';
import { isLargeDocument } from './large-documents.ts';
import type { PlanningGraph, PlanningJob, PlanningMessage } from './messages.ts';
import type { Planner } from './planner.ts';
import { toPlanningError } from './planning-errors.ts';
import { createPlanningThread, type JobLimits } from './planning-thread.ts';

export type ApolloPlannerOptions = PlanningGraph & {
  /** Maximum time to validate or plan a large operation, in milliseconds. */
  readonly timeoutMs: number;
  /** Maximum time that an operation waits for others, in milliseconds. */
  readonly maxWaitMs: number;
};

/*
 * The threads are shared by all graphs of the process: a new version of the supergraph is planned by code that V8 has compiled.
 * A large operation waits for others of its kind only.
 */
const quickThread = createPlanningThread({ isQuick: true });
const thoroughThread = createPlanningThread({ isQuick: false });

/** Starts loading the planner, which takes as long as everything else that a gateway loads. */
export const loadApolloPlanner = (): void => quickThread.start();

/** Maximum duration of a job in the quick thread, in milliseconds. Its jobs are bounded otherwise; none has come near it. */
const QUICK_TIMEOUT_MS = 10_000;

/** The limits of reading a supergraph, which is no client's work and takes longer the larger it is. */
const UNLIMITED: JobLimits = { timeoutMs: Number.POSITIVE_INFINITY, maxWaitMs: Number.POSITIVE_INFINITY };

/** Creates the planner that plans with Apollo's query planner, in threads of their own. */
export const createApolloPlanner = ({ timeoutMs, maxWaitMs, ...graph }: ApolloPlannerOptions): Planner => {
  const quick = quickThread.add(graph, true);
  const thorough = thoroughThread.add(graph, false);
  const thoroughLimits: JobLimits = { timeoutMs, maxWaitMs };
  const quickLimits: JobLimits = { timeoutMs: QUICK_TIMEOUT_MS, maxWaitMs };

  const plan = async (job: PlanningJob, isLarge: boolean): Promise<PlanningMessage> => {
    const message = isLarge ? undefined : await quick.run(job, quickLimits);
    return message && message.kind !== 'undecided' ? message : thorough.run(job, thoroughLimits);
  };

  return {
    plan: async (document, overrideConditions) => {
      if (selectsNothing(document)) return { step: { kind: 'nothing' }, characters: 0 };
      try {
        const job = { kind: 'plan', text: print(document), overrideConditions } as const;
        const message = await plan(job, isLargeDocument(document));
        if (message.kind !== 'planned') throw unexpected(message);
        return { step: readApolloPlan(JSON.parse(message.plan)), characters: message.plan.length };
      } catch (error) {
        throw toPlanningError(error);
      }
    },
    readPublicSchema: async () => {
      const message = await quick.run({ kind: 'describe' }, UNLIMITED);
      if (message.kind !== 'described') throw unexpected(message);
      // If it fails, so does the first job that needs it, and says why.
      quick.run({ kind: 'prepare' }, UNLIMITED).catch(() => {});
      return message.publicSchema;
    },
    validate: async (text) => {
      const message = await thorough.run({ kind: 'validate', text }, thoroughLimits);
      if (message.kind !== 'validated') throw unexpected(message);
      const source = new Source(text);
      return message.problems.map(
        ({ message: problem, positions, code }) =>
          new GraphQLError(problem, {
            source,
            positions: positions ?? null,
            ...(code !== undefined && { extensions: { code } }),
          }),
      );
    },
    release: () => {
      quick.release();
      thorough.release();
    },
  };
};

const unexpected = ({ kind }: PlanningMessage): Error => new Error(`The planning thread answered with ${kind}.`);

/** Returns whether an operation selects nothing that a subgraph resolves, as health checks do. */
const selectsNothing = (document: DocumentNode): boolean =>
  operationIn(document).selectionSet.selections.every(
    (one) => one.kind === Kind.FIELD && one.name.value === '__typename',
  );
