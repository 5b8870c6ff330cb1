import { type Dashboard, quantileOf, rateOf } from './panel.ts';

/** Returns a query for a gauge that replicas share, and each of them reports. */
const shared = (metric: string): string => `max(${metric}{instance=~"$instance"})`;
const total = (metric: string): string => `sum(${metric}{instance=~"$instance"})`;
const rate = (metric: string): string => `sum(rate(${metric}{instance=~"$instance"}[$__rate_interval]))`;

/** The dashboard of changes: from the providers to the inbox, and on to subscribers and the message broker. */
export const events: Dashboard = {
  uid: 'tributary-events',
  title: 'Tributary: events',
  description: 'What providers report, what is found by polling, and who is told.',
  rows: [
    {
      title: 'From the providers',
      panels: [
        {
          title: 'Events of webhooks',
          description: 'Events that were delivered and committed. Providers deliver some of them twice.',
          kind: 'stacked',
          unit: 'cps',
          queries: [
            { expr: rateOf('provider, result', 'tributary_webhook_events_total'), legend: '{{provider}}: {{result}}' },
          ],
          min: 0,
        },
        {
          title: 'Refused deliveries',
          description: 'Deliveries with a wrong signature come from somebody else, or the secret is wrong.',
          kind: 'stacked',
          unit: 'cps',
          queries: [
            {
              expr: rateOf('provider, reason', 'tributary_webhook_refusals_total'),
              legend: '{{provider}}: {{reason}}',
            },
          ],
          min: 0,
        },
        {
          title: 'Polls',
          description: 'Polls of the providers that report nothing. Of all replicas, one polls.',
          kind: 'stacked',
          unit: 'cps',
          queries: [
            { expr: rateOf('provider, result', 'tributary_poll_runs_total'), legend: '{{provider}}: {{result}}' },
          ],
          min: 0,
        },
        {
          title: 'Age of what is polled',
          description: 'Time since the least recently compared value was read: how late a change may be found.',
          kind: 'lines',
          unit: 's',
          queries: [
            {
              expr: 'max by (provider) (tributary_poll_oldest_seconds{instance=~"$instance"})',
              legend: '{{provider}}',
            },
          ],
          min: 0,
        },
      ],
    },
    {
      title: 'The inbox',
      panels: [
        {
          title: 'Waiting and parked events',
          description: 'Events that wait to be applied, and those that cannot be, which wait for an operator.',
          kind: 'lines',
          unit: 'short',
          queries: [
            { expr: shared('tributary_inbox_waiting'), legend: 'waiting' },
            { expr: shared('tributary_inbox_parked'), legend: 'parked' },
          ],
          min: 0,
        },
        {
          title: 'Oldest waiting event',
          description: 'Events are applied within a second. Above a minute, an alert fires.',
          kind: 'lines',
          unit: 's',
          queries: [{ expr: shared('tributary_inbox_oldest_seconds'), legend: 'oldest' }],
          thresholds: [[60, 'red']],
          min: 0,
        },
        {
          title: 'From arrival to effect (p99)',
          description: 'Time until cached values are invalidated in a process.',
          kind: 'lines',
          unit: 's',
          queries: [{ expr: quantileOf(0.99, 'provider', 'tributary_events_lag_seconds'), legend: '{{provider}}' }],
          min: 0,
        },
        {
          title: 'Size of the inbox',
          description: 'Of the file or the tables. EVENTS_MAX_MIB bounds it.',
          kind: 'lines',
          unit: 'bytes',
          queries: [{ expr: shared('tributary_inbox_size_bytes'), legend: 'size' }],
          min: 0,
        },
      ],
    },
    {
      title: 'Subscribers',
      panels: [
        {
          title: 'Open subscriptions',
          description: 'Subscriptions of clients, and the groups with equal responses, which share each read.',
          kind: 'lines',
          unit: 'short',
          queries: [
            { expr: total('tributary_subscription_subscribers'), legend: 'subscriptions' },
            { expr: total('tributary_subscription_groups'), legend: 'groups' },
          ],
          min: 0,
        },
        {
          title: 'Messages to subscribers',
          description: 'One for each event and subscriber.',
          kind: 'lines',
          unit: 'cps',
          queries: [{ expr: rate('tributary_subscription_messages_total'), legend: 'messages' }],
          min: 0,
        },
        {
          title: 'From arrival to message',
          description: 'Time from the arrival of an event until the messages are sent, with the reads for them.',
          kind: 'lines',
          unit: 's',
          queries: [0.5, 0.99].map((quantile) => ({
            expr: quantileOf(quantile, '', 'tributary_subscription_lag_seconds'),
            legend: `p${quantile * 100}`,
          })),
          min: 0,
        },
      ],
    },
    {
      title: 'Message broker',
      panels: [
        {
          title: 'Broker',
          description: '1 if the broker can be used. Without BROKER_URL, there is nothing here.',
          kind: 'figure',
          unit: 'short',
          queries: [{ expr: 'tributary_broker_up{instance=~"$instance"}', legend: '{{instance}}' }],
          base: 'red',
          thresholds: [[1, 'green']],
          noValue: 'Not configured',
        },
        {
          title: 'Events for the broker',
          description: 'Events that the broker has not taken yet. They are kept for EVENTS_RETENTION_HOURS.',
          kind: 'lines',
          unit: 'short',
          queries: [{ expr: shared('tributary_broker_waiting'), legend: 'waiting' }],
          min: 0,
        },
        {
          title: 'Messages of the broker',
          description: 'Messages that were published, and those that were received and committed.',
          kind: 'stacked',
          unit: 'cps',
          queries: [
            { expr: rate('tributary_broker_published_total'), legend: 'published' },
            { expr: rateOf('result', 'tributary_broker_received_total'), legend: 'received: {{result}}' },
          ],
          min: 0,
        },
        {
          title: 'Failed attempts and lost events',
          description:
            'Attempts to publish, or to store what was received, are repeated. Lost events were forgotten before the broker took them.',
          kind: 'lines',
          unit: 'cps',
          queries: [
            // There are no series before the first failure.
            { expr: `${rate('tributary_broker_failures_total')} or vector(0)`, legend: 'failed' },
            { expr: rate('tributary_broker_lost_total'), legend: 'lost' },
          ],
          min: 0,
        },
      ],
    },
  ],
};
