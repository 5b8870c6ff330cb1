import type { ApolloServerPlugin } from '@apollo/server';
import type { Log } from '../../runtime/log.ts';
import type { Span } from '../../telemetry/call-stats.ts';
import type { CallStatsRow } from '../../telemetry/call-stats-row.ts';
import type { FetchSpan } from '../transports/trace.ts';
import type { RequestContext } from './context.ts';

/** The steps of one request that are logged one by one. */
const MAX_STEPS = 200;

/**
 * Logs what was done for each request, at the level `debug`: fetches and provider requests in the order in which they began,
 * with their times in milliseconds since the request's arrival, then the sums of each provider operation. No query text and no
 * value is logged.
 */
export const createDebugLogPlugin = (log: Log): ApolloServerPlugin<RequestContext> => {
  let requests = 0;
  return {
    requestDidStart: async () => {
      requests += 1;
      const request = requests;
      return {
        willSendResponse: async ({ operationName, response, contextValue }) => {
          const { telemetry, traceId: trace } = contextValue;
          const { callStats } = telemetry;
          const about = { request, operation: operationName ?? '(unnamed)', trace };
          const errors = response.body.kind === 'single' ? (response.body.singleResult.errors?.length ?? 0) : 0;
          const steps = [
            ...(contextValue.trace?.fetches ?? []).map(describeFetch),
            ...(callStats.spans ?? []).filter(isNotable).map(describeSpan),
          ];
          steps.sort((a, b) => a.startMs - b.startMs);
          for (const { startMs, timeMs, text } of steps.slice(0, MAX_STEPS)) {
            log.debug(about, `${Math.round(startMs)} ms: ${text}, ${Math.round(timeMs)} ms`);
          }
          if (steps.length > MAX_STEPS) log.debug(about, `${steps.length - MAX_STEPS} more steps.`);
          for (const row of callStats.rows()) log.debug(about, describeRow(row));
          const timeMs = Math.round(callStats.ageMs());
          log.debug({ ...about, timeMs, errors }, `Answered in ${timeMs} ms with ${count(errors, 'error')}.`);
        },
      };
    },
  };
};

type Step = { readonly startMs: number; readonly timeMs: number; readonly text: string };

const describeFetch = ({ subgraph, startMs, timeMs, entities, errors }: FetchSpan): Step => {
  const what = entities === 0 ? 'root fields' : count(entities, 'entity', 'entities');
  return { startMs, timeMs, text: `fetch ${subgraph}, ${what}${errors > 0 ? `, ${count(errors, 'error')}` : ''}` };
};

/** Most requests get their permit at once. */
const isNotable = ({ kind, timeMs }: Span): boolean => kind !== 'wait' || timeMs >= 1;

const describeSpan = ({ subgraph, operation, kind, startMs, timeMs, isFailed }: Span): Step => {
  const verb = kind === 'wait' ? 'wait for a permit' : `request${isFailed ? ' failed' : ''}`;
  return { startMs, timeMs, text: `${verb}, ${subgraph} ${operation}` };
};

const describeRow = ({
  subgraph,
  operation,
  calls,
  retries,
  failures,
  keys,
  hits,
  stale,
  misses,
}: CallStatsRow): string =>
  [
    `${subgraph} ${operation}: ${count(calls, 'request')}`,
    retries > 0 && `${retries} of them retries`,
    failures > 0 && `${failures} failed`,
    keys > 0 && `${count(keys, 'key')} requested`,
    hits + stale + misses > 0 && `${hits} cached, ${stale} stale, ${misses} not cached`,
  ]
    .filter(Boolean)
    .join(', ');

const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`;
