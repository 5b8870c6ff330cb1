import { type Dashboard, gaugeOf, quantileOf, rateOf } from './panel.ts';

const REQUESTS = 'tributary_provider_request_duration_seconds';
const SUBGRAPH = 'subgraph=~"$subgraph"';

/** The dashboard of the providers: requests, failures, quotas, waits, cache. */
export const providers: Dashboard = {
  uid: 'tributary-providers',
  title: 'Tributary: providers',
  description: 'How the providers of the subgraphs are, and how much of their quotas is used.',
  variables: [{ name: 'subgraph', label: 'Subgraph', metric: `${REQUESTS}_count` }],
  rows: [
    {
      title: 'Requests',
      panels: [
        {
          title: 'Provider requests by outcome',
          description: 'Requests per second: ok, or the code of the error.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [
            { expr: rateOf('subgraph, outcome', `${REQUESTS}_count`, SUBGRAPH), legend: '{{subgraph}}: {{outcome}}' },
          ],
        },
        {
          title: 'Failed by the provider',
          description:
            'Part of the requests that the provider failed or an open circuit breaker held back, over five minutes. All instances.',
          kind: 'lines',
          unit: 'percentunit',
          queries: [
            {
              expr: `subgraph:tributary_provider_failures:ratio_rate5m{${SUBGRAPH}}`,
              legend: '{{subgraph}}',
            },
          ],
          thresholds: [[0.2, 'red']],
          min: 0,
          max: 1,
        },
        {
          title: 'Duration of provider requests (p99)',
          description: 'Of each provider operation, from sending a request to the last byte of its response.',
          kind: 'lines',
          unit: 's',
          queries: [
            {
              expr: quantileOf(0.99, 'subgraph, provider_operation', REQUESTS, SUBGRAPH),
              legend: '{{subgraph}}: {{provider_operation}}',
            },
          ],
        },
      ],
    },
    {
      title: 'Failures',
      panels: [
        {
          title: 'Circuit breakers',
          description: '1 is open: requests are not sent. 0.5 is half open: one request probes.',
          kind: 'lines',
          unit: 'short',
          queries: [
            {
              expr: gaugeOf('subgraph, provider_operation', 'tributary_provider_breaker_state', 'max', SUBGRAPH),
              legend: '{{subgraph}}: {{provider_operation}}',
            },
          ],
          min: 0,
          max: 1,
          noValue: 'All closed',
        },
        {
          title: 'Retries',
          description: 'Repeated requests per second.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [
            {
              expr: rateOf('subgraph, provider_operation', 'tributary_provider_retries_total', SUBGRAPH),
              legend: '{{subgraph}}: {{provider_operation}}',
            },
          ],
          noValue: 'None',
        },
        {
          title: 'Retry budget',
          description: 'Retries that are allowed now. At zero, failed requests are not repeated.',
          kind: 'lines',
          unit: 'short',
          queries: [
            {
              expr: `min by (subgraph) (tributary_provider_retry_budget{instance=~"$instance", ${SUBGRAPH}})`,
              legend: '{{subgraph}}',
            },
          ],
          min: 0,
        },
        {
          title: 'Requests not sent',
          description: 'For a rate limit, an open circuit breaker, or a budget of the client.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [
            {
              expr: rateOf('subgraph, reason', 'tributary_provider_refusals_total', SUBGRAPH),
              legend: '{{subgraph}}: {{reason}}',
            },
          ],
          noValue: 'None',
        },
      ],
    },
    {
      title: 'Quotas',
      panels: [
        {
          title: 'Quota used',
          description: 'Part of each rate limit that is used. At 100%, requests wait. All instances.',
          kind: 'lines',
          unit: 'percentunit',
          queries: [
            {
              expr: `subgraph_limit:tributary_provider_quota_used:ratio{${SUBGRAPH}}`,
              legend: '{{subgraph}}: {{limit}}',
            },
          ],
          thresholds: [[0.7, 'red']],
          min: 0,
        },
        {
          title: 'Wait for a permit',
          description: 'Time that requests are queued for rate limits and for the concurrency limit.',
          kind: 'lines',
          unit: 's',
          queries: [0.5, 0.99].map((quantile) => ({
            expr: quantileOf(quantile, 'subgraph', 'tributary_provider_wait_seconds', SUBGRAPH),
            legend: `{{subgraph}}: p${quantile * 100}`,
          })),
          thresholds: [[2, 'red']],
        },
        {
          title: 'Queued and running requests',
          description: 'Requests that wait for a permit, and that have one.',
          kind: 'lines',
          unit: 'short',
          queries: [
            {
              expr: gaugeOf('subgraph', 'tributary_provider_queued', 'sum', SUBGRAPH),
              legend: '{{subgraph}}: queued',
            },
            {
              expr: gaugeOf('subgraph', 'tributary_provider_running', 'sum', SUBGRAPH),
              legend: '{{subgraph}}: running',
            },
            {
              expr: gaugeOf('subgraph', 'tributary_provider_concurrency', 'sum', SUBGRAPH),
              legend: '{{subgraph}}: may run',
            },
          ],
        },
        {
          title: 'Pauses after a 429',
          description: 'Pauses per second, because the provider rejected a request under a rate limit.',
          kind: 'lines',
          unit: 'reqps',
          queries: [{ expr: rateOf('subgraph', 'tributary_provider_pauses_total', SUBGRAPH), legend: '{{subgraph}}' }],
          noValue: 'None',
        },
      ],
    },
    {
      title: 'Clients',
      panels: [
        {
          title: 'Share of the provider calls',
          description: 'Part of the provider calls that each client causes, over five minutes. All instances.',
          kind: 'lines',
          unit: 'percentunit',
          queries: [
            {
              expr: `topk(10, client_subgraph:tributary_client_calls:share_rate5m{${SUBGRAPH}})`,
              legend: '{{client}}: {{subgraph}}',
            },
          ],
          thresholds: [[0.6, 'red']],
          min: 0,
          max: 1,
        },
        {
          title: 'Provider calls by operation',
          description: 'The ten operations that cause the most provider calls.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [
            {
              expr: `topk(10, ${rateOf('graphql_operation_name, subgraph', 'tributary_operation_calls_total', SUBGRAPH)})`,
              legend: '{{graphql_operation_name}}: {{subgraph}}',
            },
          ],
        },
      ],
    },
    {
      title: 'Cache and batches',
      panels: [
        {
          title: 'Keys looked up',
          description: 'Keys per second: fresh in the cache, stale, or missing.',
          kind: 'stacked',
          unit: 'ops',
          queries: [
            {
              expr: rateOf('subgraph, result', 'tributary_cache_reads_total', SUBGRAPH),
              legend: '{{subgraph}}: {{result}}',
            },
          ],
        },
        {
          title: 'Age of stale values (p99)',
          description: 'Of keys served stale, by the oldest value of their read. Above five minutes, an alert fires.',
          kind: 'lines',
          unit: 's',
          queries: [
            {
              // While none is served, there is no number, and "None" instead.
              expr: `${quantileOf(0.99, 'subgraph', 'tributary_cache_stale_age_seconds', SUBGRAPH)} >= 0`,
              legend: '{{subgraph}}',
            },
          ],
          thresholds: [[300, 'red']],
          noValue: 'None',
        },
        {
          title: 'Keys in a batch',
          description: 'The average of each provider operation that reads several keys at once.',
          kind: 'lines',
          unit: 'short',
          queries: [
            {
              expr: `${rateOf('subgraph, provider_operation', 'tributary_batch_keys_sum', SUBGRAPH)} / ${rateOf('subgraph, provider_operation', 'tributary_batch_keys_count', SUBGRAPH)}`,
              legend: '{{subgraph}}: {{provider_operation}}',
            },
          ],
        },
        {
          title: 'Invalidations',
          description: 'Tags per second that writes invalidated.',
          kind: 'lines',
          unit: 'ops',
          queries: [
            { expr: rateOf('subgraph', 'tributary_cache_invalidations_total', SUBGRAPH), legend: '{{subgraph}}' },
          ],
          noValue: 'None',
        },
        {
          title: 'Connections',
          description: 'Connections with a request, and how many there may be.',
          kind: 'lines',
          unit: 'short',
          queries: [
            {
              expr: gaugeOf('subgraph', 'tributary_provider_connections_busy', 'sum', SUBGRAPH),
              legend: '{{subgraph}}: busy',
            },
            {
              expr: gaugeOf('subgraph', 'tributary_provider_connections_limit', 'sum', SUBGRAPH),
              legend: '{{subgraph}}: limit',
            },
          ],
        },
      ],
    },
  ],
};
