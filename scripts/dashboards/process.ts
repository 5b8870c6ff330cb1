import { type Dashboard, gaugeOf, rateOf } from './panel.ts';

const INSTANCE = '{instance=~"$instance"}';
const each = (metric: string, legend = '{{instance}}') => ({ expr: `${metric}${INSTANCE}`, legend });

/** The dashboard of the processes: memory, CPU, event loop, admission. */
export const processes: Dashboard = {
  uid: 'tributary-process',
  title: 'Tributary: process',
  description: 'How the processes of gateways and subgraphs are.',
  rows: [
    {
      title: 'Processes',
      panels: [
        {
          title: 'Processes that answer',
          description: '1 if Prometheus reaches the admin port.',
          kind: 'figure',
          unit: 'short',
          queries: [each('up')],
          base: 'red',
          thresholds: [[1, 'green']],
        },
        {
          title: 'Running since',
          description: 'Time since the process started.',
          kind: 'figure',
          unit: 's',
          queries: [each('process_uptime_seconds')],
        },
        {
          title: 'Versions',
          description: 'Number of processes of each version. More than one during an upgrade.',
          kind: 'figure',
          unit: 'short',
          queries: [{ expr: `count by (version) (tributary_build_info${INSTANCE})`, legend: '{{version}}' }],
        },
        {
          title: 'Redis',
          description: '1 if Redis can be used. Without REDIS_URL, there is nothing here.',
          kind: 'figure',
          unit: 'short',
          queries: [each('tributary_redis_up')],
          base: 'red',
          thresholds: [[1, 'green']],
          noValue: 'Not configured',
        },
      ],
    },
    {
      title: 'Memory and CPU',
      panels: [
        {
          title: 'Resident memory',
          description: 'The limit is tributary:memory_limit:bytes. Growth for days is a leak.',
          kind: 'lines',
          unit: 'bytes',
          queries: [each('process_memory_usage_bytes'), { expr: 'tributary:memory_limit:bytes', legend: 'limit' }],
          min: 0,
        },
        {
          title: 'JavaScript heap',
          description: 'Used, and its lowest points of ten minutes, which show what is kept after garbage collection.',
          kind: 'lines',
          unit: 'bytes',
          queries: [
            each('v8js_memory_heap_used_bytes', '{{instance}}: used'),
            each('instance:v8js_memory_heap_used_bytes:min10m', '{{instance}}: kept'),
            each('v8js_memory_heap_limit_bytes', '{{instance}}: limit'),
          ],
          min: 0,
        },
        {
          title: 'CPU',
          description: 'Cores that the process uses. A process without workers uses little more than one.',
          kind: 'lines',
          unit: 'short',
          queries: [{ expr: rateOf('instance', 'process_cpu_time_seconds_total'), legend: '{{instance}}' }],
          thresholds: [[0.8, 'red']],
          min: 0,
        },
      ],
    },
    {
      title: 'Event loop and admission',
      panels: [
        {
          title: 'Delay of the event loop',
          description: 'Everything in the process waits for that long. Above 0.2 s (p99), an alert fires.',
          kind: 'lines',
          unit: 's',
          queries: [
            each('nodejs_eventloop_delay_p50_seconds', '{{instance}}: p50'),
            each('nodejs_eventloop_delay_p99_seconds', '{{instance}}: p99'),
            each('nodejs_eventloop_delay_max_seconds', '{{instance}}: maximum'),
          ],
          thresholds: [[0.2, 'red']],
          min: 0,
        },
        {
          title: 'Utilization of the event loop',
          description: 'Part of the time in which the process was busy. Near 100%, it needs more replicas.',
          kind: 'lines',
          unit: 'percentunit',
          queries: [each('nodejs_eventloop_utilization_ratio')],
          thresholds: [[0.8, 'red']],
          min: 0,
          max: 1,
        },
        {
          title: 'Admission',
          description: 'Requests that run and wait, and how many may run at once (MAX_REQUESTS).',
          kind: 'lines',
          unit: 'short',
          queries: [
            { expr: gaugeOf('instance', 'tributary_admission_running'), legend: '{{instance}}: running' },
            { expr: gaugeOf('instance', 'tributary_admission_queued'), legend: '{{instance}}: queued' },
            { expr: gaugeOf('instance', 'tributary_admission_limit'), legend: '{{instance}}: limit' },
          ],
          min: 0,
        },
      ],
    },
    {
      title: 'Caches',
      panels: [
        {
          title: 'Cache of provider values',
          description: 'Size in memory, and its limit (CACHE_MAX_MIB).',
          kind: 'lines',
          unit: 'bytes',
          queries: [
            each('tributary_cache_size_bytes', '{{instance}}: size'),
            each('tributary_cache_limit_bytes', '{{instance}}: limit'),
          ],
          min: 0,
        },
        {
          title: 'Plan cache: size',
          description: 'Approximate size of the compiled operations (PLAN_CACHE_MAX_MIB).',
          kind: 'lines',
          unit: 'bytes',
          queries: [each('tributary_plan_cache_bytes')],
          min: 0,
        },
        {
          title: 'Plan cache: entries',
          description: 'Compiled operations (PLAN_CACHE_ENTRIES).',
          kind: 'lines',
          unit: 'short',
          queries: [each('tributary_plan_cache_entries')],
          min: 0,
        },
      ],
    },
  ],
};
