import { type Dashboard, quantileOf, rateOf } from './panel.ts';

const OPERATIONS = 'tributary_operation_duration_seconds';
const NAME = 'graphql_operation_name';

/** The dashboard of the operations: rate, duration, errors, provider calls. */
export const operations: Dashboard = {
  uid: 'tributary-operations',
  title: 'Tributary: operations',
  description: 'How often each operation is sent, how long it takes, and what it costs.',
  rows: [
    {
      title: 'By operation',
      panels: [
        {
          title: 'Operations per second',
          description: 'The ten most frequent operations.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [{ expr: `topk(10, ${rateOf(NAME, `${OPERATIONS}_count`)})`, legend: `{{${NAME}}}` }],
        },
        {
          title: 'Duration (p99)',
          description: 'The ten slowest operations. The objective is one second.',
          kind: 'lines',
          unit: 's',
          queries: [{ expr: `topk(10, ${quantileOf(0.99, NAME, OPERATIONS)})`, legend: `{{${NAME}}}` }],
          thresholds: [[1, 'red']],
        },
        {
          title: 'Share with errors',
          description: 'Part of the operations with an error, in whole or in part, over five minutes. All instances.',
          kind: 'lines',
          unit: 'percentunit',
          queries: [{ expr: 'topk(10, operation:tributary_operation_errors:ratio_rate5m)', legend: `{{${NAME}}}` }],
          thresholds: [[0.1, 'red']],
          min: 0,
          max: 1,
        },
      ],
    },
    {
      title: 'Cost and freshness',
      panels: [
        {
          title: 'Provider calls per operation',
          description: 'The average number of provider calls, for the ten most expensive operations.',
          kind: 'lines',
          unit: 'short',
          queries: [
            {
              expr: `topk(10, ${rateOf(NAME, 'tributary_operation_calls_total')} / ${rateOf(NAME, `${OPERATIONS}_count`)})`,
              legend: `{{${NAME}}}`,
            },
          ],
        },
        {
          title: 'Errors by code',
          description: 'Operations per second with an error of this code.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [
            {
              expr: `topk(10, ${rateOf(`${NAME}, code`, 'tributary_operation_errors_total')})`,
              legend: `{{${NAME}}}: {{code}}`,
            },
          ],
          noValue: 'None',
        },
        {
          title: 'Responses with stale values',
          description: 'Per second, also those with values that are only being refreshed.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [{ expr: `topk(10, ${rateOf(NAME, 'tributary_operation_stale_total')})`, legend: `{{${NAME}}}` }],
          noValue: 'None',
        },
      ],
    },
    {
      title: 'Inside the gateway',
      panels: [
        {
          title: 'Duration of fetches (p99)',
          description: 'Requests of the gateway to subgraphs, in process or over HTTP.',
          kind: 'lines',
          unit: 's',
          queries: [{ expr: quantileOf(0.99, 'subgraph', 'tributary_fetch_duration_seconds'), legend: '{{subgraph}}' }],
        },
        {
          title: 'Fetches by outcome',
          description: 'Requests to subgraphs per second.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [
            {
              expr: rateOf('subgraph, outcome', 'tributary_fetch_duration_seconds_count'),
              legend: '{{subgraph}}: {{outcome}}',
            },
          ],
        },
        {
          title: 'Planning',
          description: 'Time to plan and compile an operation that is not in the plan cache.',
          kind: 'lines',
          unit: 's',
          queries: [0.5, 0.99].map((quantile) => ({
            expr: quantileOf(quantile, '', 'tributary_plan_duration_seconds'),
            legend: `p${quantile * 100}`,
          })),
        },
        {
          title: 'Operations planned',
          description:
            'Per second. Much more than a few means that the plan cache is too small, or that clients build queries.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [{ expr: rateOf('outcome', 'tributary_plan_duration_seconds_count'), legend: '{{outcome}}' }],
        },
      ],
    },
    {
      title: 'HTTP',
      panels: [
        {
          title: 'HTTP requests by status',
          description: 'Requests per second, of gateways and subgraphs.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [
            {
              expr: rateOf('http_route, http_response_status_code', 'http_server_request_duration_seconds_count'),
              legend: '{{http_route}}: {{http_response_status_code}}',
            },
          ],
        },
        {
          title: 'Duration of HTTP requests (p99)',
          description: 'From the header of the request to the end of the response.',
          kind: 'lines',
          unit: 's',
          queries: [
            {
              expr: quantileOf(0.99, 'http_route', 'http_server_request_duration_seconds'),
              legend: '{{http_route}}',
            },
          ],
        },
      ],
    },
  ],
};
