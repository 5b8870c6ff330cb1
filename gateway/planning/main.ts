import { parentPort, workerData } from 'node:worker_threads';
import { operationFromDocument, Supergraph } from '@apollo/federation-internals';
import { QueryPlanner } from '@apollo/query-planner';
import { parse } from 'graphql';
import type { PlanningJob, PlanningMessage, PlanningThreadData } from './messages.ts';
import { validateDocument } from './validate.ts';

/*
 * The planning thread. It validates and plans large operations, so that the gateway's main thread stays responsive and a job
 * that takes too long can be terminated.
 */

const { supergraphSdl, introspection }: PlanningThreadData = workerData;
const supergraph = Supergraph.build(supergraphSdl);
const planner = new QueryPlanner(supergraph);
const apiSchema = supergraph.apiSchema();
const schema = apiSchema.toGraphQLJSSchema();

const run = ({ kind, text, overrideConditions }: PlanningJob): PlanningMessage => {
  const document = parse(text);
  if (kind === 'plan') {
    const operation = operationFromDocument(apiSchema, document);
    const plan = planner.buildQueryPlan(operation, { overrideConditions: new Map(overrideConditions) });
    return { kind: 'planned', plan: JSON.stringify(plan) };
  }
  const errors = validateDocument(schema, document, { introspection });
  return {
    kind: 'validated',
    problems: errors.map(({ message, positions, extensions: { code } }) => ({ message, positions, code })),
  };
};

const send = (message: PlanningMessage): void => parentPort?.postMessage(message);

parentPort?.on('message', (job: PlanningJob) => {
  try {
    send(run(job));
  } catch (error) {
    send({
      kind: 'failed',
      message: error instanceof Error ? error.message : '',
      isTooDeep: error instanceof RangeError,
    });
  }
});
send({ kind: 'ready' });
