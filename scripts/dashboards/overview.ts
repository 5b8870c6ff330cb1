import { type Dashboard, gaugeOf, quantileOf, rateOf } from './panel.ts';

const OPERATIONS = 'tributary_operation_duration_seconds';

/** The overview: error budgets, alerts, operations, provider calls. */
export const overview: Dashboard = {
  uid: 'tributary-overview',
  title: 'Tributary: overview',
  description: 'Whether clients get what they should, and what it costs in provider calls.',
  rows: [
    {
      title: 'Objectives (all instances)',
      panels: [
        {
          title: 'Error budget left',
          description: 'What is left of the error budget of the last three days. Below zero, the objective is missed.',
          kind: 'figure',
          unit: 'percentunit',
          queries: [
            {
              expr: '1 - slo:tributary_bad_events:ratio_rate3d / (1 - tributary:slo_objective:ratio)',
              legend: '{{slo}}',
            },
          ],
          base: 'red',
          thresholds: [
            [0, 'orange'],
            [0.25, 'green'],
          ],
        },
        {
          title: 'Burn rate of the last hour',
          description: 'How many times faster than allowed the error budget is used. Above 14.4, an alert fires.',
          kind: 'figure',
          unit: 'suffix: ×',
          queries: [
            {
              expr: 'slo:tributary_bad_events:ratio_rate1h / (1 - tributary:slo_objective:ratio)',
              legend: '{{slo}}',
            },
          ],
          thresholds: [
            [1, 'orange'],
            [14.4, 'red'],
          ],
        },
        {
          title: 'Firing alerts',
          description: 'Alerts that fire now. Each has a page in docs/runbooks.',
          kind: 'figure',
          unit: 'short',
          queries: [
            {
              expr: 'count by (alertname, severity) (ALERTS{alertstate="firing", alertname=~"Tributary.+"})',
              legend: '{{alertname}} ({{severity}})',
            },
          ],
          thresholds: [[1, 'red']],
          noValue: 'None',
        },
      ],
    },
    {
      title: 'Operations',
      panels: [
        {
          title: 'Operations by outcome',
          description: 'GraphQL operations per second. Partial: with data and errors.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [{ expr: rateOf('outcome', `${OPERATIONS}_count`), legend: '{{outcome}}' }],
        },
        {
          title: 'Duration of operations',
          description: 'From arrival to response. The objective is one second for 99% of all operations.',
          kind: 'lines',
          unit: 's',
          queries: [0.5, 0.95, 0.99].map((quantile) => ({
            expr: quantileOf(quantile, '', OPERATIONS),
            legend: `p${quantile * 100}`,
          })),
          thresholds: [[1, 'red']],
        },
        {
          title: 'Errors by code',
          description: 'Operations per second with an error of this code. docs/errors.md explains the codes.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [{ expr: rateOf('code', 'tributary_operation_failures_total'), legend: '{{code}}' }],
          noValue: 'None',
        },
      ],
    },
    {
      title: 'Provider calls',
      panels: [
        {
          title: 'Provider calls per second',
          description: 'Requests sent to the provider of each subgraph, retries included.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [
            { expr: rateOf('subgraph', 'tributary_provider_request_duration_seconds_count'), legend: '{{subgraph}}' },
          ],
        },
        {
          title: 'Provider calls per operation',
          description: 'All provider calls, also those in the background, divided by all operations.',
          kind: 'lines',
          unit: 'short',
          queries: [
            {
              expr: 'sum(rate(tributary_provider_request_duration_seconds_count{instance=~"$instance"}[$__rate_interval])) / sum(rate(tributary_operation_duration_seconds_count{instance=~"$instance"}[$__rate_interval]))',
              legend: 'calls per operation',
            },
          ],
        },
        {
          title: 'Quota used',
          description: 'Part of each rate limit that is used. At 100%, requests wait.',
          kind: 'lines',
          unit: 'percentunit',
          queries: [{ expr: 'subgraph_limit:tributary_provider_quota_used:ratio', legend: '{{subgraph}}: {{limit}}' }],
          thresholds: [[0.7, 'red']],
          min: 0,
        },
        {
          title: 'Keys from the cache',
          description: 'Part of the requested keys that the cache had, fresh or stale.',
          kind: 'lines',
          unit: 'percentunit',
          queries: [
            {
              expr: `${rateOf('subgraph', 'tributary_cache_reads_total', 'result!="miss"')} / ${rateOf('subgraph', 'tributary_cache_reads_total')}`,
              legend: '{{subgraph}}',
            },
          ],
          min: 0,
          max: 1,
        },
      ],
    },
    {
      title: 'Clients',
      panels: [
        {
          title: 'Provider calls by client',
          description: 'The ten clients that cause the most provider calls.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [{ expr: `topk(10, ${rateOf('client', 'tributary_client_calls_total')})`, legend: '{{client}}' }],
        },
        {
          title: 'Operations by client',
          description: 'The ten clients that send the most operations.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [
            { expr: `topk(10, ${rateOf('client', 'tributary_client_operations_total')})`, legend: '{{client}}' },
          ],
        },
        {
          title: 'Refused requests',
          description: 'Requests that were refused before their operation was read.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [{ expr: rateOf('code', 'tributary_request_refusals_total'), legend: '{{code}}' }],
          noValue: 'None',
        },
        {
          title: 'Running requests',
          description: 'Requests that run and wait, and how many may run at once.',
          kind: 'lines',
          unit: 'short',
          queries: [
            { expr: gaugeOf('instance', 'tributary_admission_running'), legend: '{{instance}}: running' },
            { expr: gaugeOf('instance', 'tributary_admission_queued'), legend: '{{instance}}: queued' },
          ],
        },
      ],
    },
  ],
};
