import { h } from './dom.ts';
import type { Process } from './status.ts';
import { duration, mebibytes, number, percent, seconds } from './words.ts';

/** Renders the processes: one, or each worker. */
export const renderProcesses = (processes: readonly Process[]): Element =>
  h(
    'section',
    { 'data-key': 'processes', 'aria-labelledby': 'processes' },
    h('h2', { id: 'processes' }, processes.length === 1 ? 'Process' : 'Processes'),
    h('div', { class: 'cards' }, ...processes.map(renderProcess)),
  );

const renderProcess = ({ pid, status, uptimeS, eventLoop, memory, cache, admission, redis }: Process): Element => {
  const facts: readonly (readonly [name: string, value: string] | null)[] = [
    ['Status', status],
    uptimeS === null ? null : ['Up for', seconds(uptimeS)],
    admission && [
      'Requests',
      `${number(admission.running)} of ${number(admission.limit)} running, ${number(admission.queued)} waiting`,
    ],
    eventLoop && ['Event loop', `${percent(eventLoop.utilization)} busy, ${duration(eventLoop.delayP99Ms)} late (p99)`],
    memory && [
      'Memory',
      `${mebibytes(memory.rssBytes)}; heap ${mebibytes(memory.heapUsedBytes)} of ${mebibytes(memory.heapLimitBytes)}`,
    ],
    cache && ['Cache', `${mebibytes(cache.bytes)} of ${mebibytes(cache.limitBytes)}`],
    redis === null ? null : ['Redis', redis],
  ];
  return h(
    'article',
    { 'data-key': String(pid), class: status === 'ok' ? 'card' : 'card failing' },
    h('h3', {}, `Process ${pid}`),
    h(
      'dl',
      {},
      ...facts.flatMap((fact) =>
        fact ? [h('div', { 'data-key': fact[0] }, h('dt', {}, fact[0]), h('dd', {}, fact[1]))] : [],
      ),
    ),
  );
};
