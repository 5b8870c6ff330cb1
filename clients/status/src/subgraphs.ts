import { latencyChart, requestChart, shareBar } from './charts.ts';
import { h } from './dom.ts';
import { bodyRow, headRow } from './rows.ts';
import { type Flow, HEALTH_WORDS, type Subgraph } from './status.ts';
import { count, duration, each, number, percent, seconds } from './words.ts';

const SOURCES = {
  provider: 'its provider',
  sandbox: "its provider's sandbox, with sample data",
  remote: 'a separate process',
} as const;

/** The shapes that tell states apart without colour. */
const SIGNS = {
  ok: '✓',
  idle: '–',
  slow: '◔',
  waiting: '…',
  failing: '!',
  paused: '‖',
  quota_exhausted: '▮',
  down: '✕',
} as const;

/** Renders the providers, the ones with problems as the others: each keeps its place. */
export const renderSubgraphs = (subgraphs: readonly Subgraph[]): Element =>
  h(
    'section',
    { 'data-key': 'subgraphs', 'aria-labelledby': 'providers' },
    h('h2', { id: 'providers' }, 'Providers'),
    h('div', { class: 'cards' }, ...subgraphs.map(renderSubgraph)),
  );

const renderSubgraph = (one: Subgraph): Element => {
  const { subgraph, source, health, reason, requests, operations, fetches, limits, breakers } = one;
  const heading = `provider-${subgraph}`;
  return h(
    'article',
    { 'data-key': subgraph, class: `card ${health}`, 'aria-labelledby': heading },
    h('h3', { id: heading }, h('bdi', {}, subgraph)),
    h(
      'p',
      { class: 'health' },
      h('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[health]),
      ' ',
      h('span', {}, HEALTH_WORDS[health]),
    ),
    h('p', { class: 'reason' }, `${reason}.`),
    requests && renderFlow('request', requests),
    !requests && fetches && renderFlow('fetch', fetches),
    limits.length > 0 && renderLimits(one),
    breakers.length > 0 && renderBreakers(one),
    renderFacts(one),
    operations.length > 0 && renderOperations(one),
    h('p', { class: 'quiet' }, `Data from ${SOURCES[source]}.`),
  );
};

const renderFlow = (noun: string, flow: Flow): Element =>
  h(
    'div',
    { class: 'flow', 'data-key': noun },
    h(
      'figure',
      {},
      h(
        'figcaption',
        {},
        h('strong', {}, count(flow.count, noun, noun === 'fetch' ? 'fetches' : undefined)),
        ` ${percent(flow.failed, flow.count)} failed`,
      ),
      requestChart(noun, flow),
    ),
    h(
      'figure',
      {},
      h('figcaption', {}, h('strong', {}, duration(flow.p50Ms)), ` median, ${duration(flow.p99Ms)} p99`),
      latencyChart(flow),
    ),
  );

const renderLimits = ({ limits }: Subgraph): Element =>
  h(
    'ul',
    { class: 'limits', 'aria-label': 'Quota in use', 'data-key': 'limits' },
    ...limits.map(({ name, used, limit, windowS, pausedS }) =>
      h(
        'li',
        { 'data-key': name },
        `Quota ${name}: ${number(used)} of ${number(limit)} ${each(windowS)}${pausedS > 0 ? `, paused for ${seconds(pausedS)}` : ''}`,
        shareBar(used, limit, true),
      ),
    ),
  );

const renderBreakers = ({ breakers }: Subgraph): Element =>
  h(
    'ul',
    { class: 'breakers', 'aria-label': 'Circuit breakers', 'data-key': 'breakers' },
    ...breakers.map(({ operation, state }) =>
      h(
        'li',
        { 'data-key': operation },
        `Circuit breaker ${state === 'open' ? 'open' : 'half open'}: `,
        h('code', {}, operation),
      ),
    ),
  );

const renderOperations = ({ subgraph, operations }: Subgraph): Element =>
  h(
    'table',
    { class: 'operations', 'aria-label': `Operations of the provider of ${subgraph}` },
    h('thead', {}, headRow('Provider operation', 'Calls', 'Failed', 'Median')),
    h(
      'tbody',
      {},
      ...operations.map(({ name, count: calls, failed, p50Ms }) =>
        bodyRow(name, [h('bdi', {}, name)], number(calls), number(failed), duration(p50Ms)),
      ),
    ),
  );

const renderFacts = ({
  cache,
  queue,
  waits,
  reported,
  retries,
  refused,
  lastFailure,
  lastSuccessS,
}: Subgraph): Element => {
  const facts: readonly (readonly [name: string, value: string] | false)[] = [
    reported !== null && ['Provider calls reported', `${number(reported.calls)}, ${number(reported.failed)} failed`],
    ['Found in the cache', cache.hitRatio === null ? 'no reads' : percent(cache.hitRatio)],
    cache.oldestStaleS !== null && ['Oldest stale answer', `${seconds(cache.oldestStaleS)} old`],
    queue !== null && [
      'Queue',
      `${number(queue.queued)} waiting, ${number(queue.running)} of ${number(queue.concurrency)} running`,
    ],
    waits !== null &&
      waits.p99Ms !== null && ['Wait for permits', `${duration(waits.p50Ms)} median, ${duration(waits.p99Ms)} p99`],
    retries > 0 && ['Retries', number(retries)],
    refused.rateLimit > 0 && ['Not sent for the quota', number(refused.rateLimit)],
    refused.circuitBreaker > 0 && ['Not sent for a breaker', number(refused.circuitBreaker)],
    refused.budget > 0 && ['Not sent for a budget', number(refused.budget)],
    lastFailure !== null && ['Last failure', `${lastFailure.code}, ${seconds(lastFailure.ageS)} ago`],
    lastFailure !== null && ['Last success', lastSuccessS === null ? 'none' : `${seconds(lastSuccessS)} ago`],
  ];
  return h(
    'dl',
    { 'data-key': 'facts' },
    ...facts.flatMap((fact) =>
      fact ? [h('div', { 'data-key': fact[0] }, h('dt', {}, fact[0]), h('dd', {}, fact[1]))] : [],
    ),
  );
};
