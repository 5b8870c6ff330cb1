import { shareBar } from './charts.ts';
import { h } from './dom.ts';
import { bodyRow, headRow } from './rows.ts';
import type { Cost, Count } from './status.ts';
import { duration, number } from './words.ts';

const heading = (id: string, text: string): Element => h('h2', { id }, text);

/** Renders a table of what operations with one name, or of one client, have cost. */
export const renderCosts = (id: string, title: string, what: string, costs: readonly Cost[]): Element => {
  const calls = costs.reduce((sum, cost) => sum + cost.calls, 0);
  return h(
    'section',
    { 'data-key': id, 'aria-labelledby': id },
    heading(id, title),
    costs.length === 0
      ? h('p', { class: 'quiet' }, 'None in the last five minutes.')
      : h(
          'table',
          { 'aria-labelledby': id },
          h('thead', {}, headRow(what, 'Provider calls', 'Time', 'Runs', 'With errors')),
          h('tbody', {}, ...costs.map((cost) => renderCost(cost, calls))),
        ),
  );
};

const renderCost = ({ name, operations, errors, calls, timeMs }: Cost, all: number): Element =>
  bodyRow(
    name,
    [h('bdi', {}, name), shareBar(calls, Math.max(1, all))],
    number(calls),
    duration(timeMs),
    number(operations),
    number(errors),
  );

/** Says why the provider calls of the tables are not the requests of the providers. */
export const renderCallsNote = (): Element =>
  h(
    'p',
    { class: 'quiet', 'data-key': 'calls-note' },
    'A provider call that several operations share counts for each of them, and one that refreshes the cache in the background for none: the sums differ from the requests of the providers.',
  );

/** Renders counts by code. */
export const renderCounts = (id: string, title: string, counts: readonly Count[]): Element =>
  h(
    'section',
    { 'data-key': id, 'aria-labelledby': id },
    heading(id, title),
    counts.length === 0
      ? h('p', { class: 'quiet' }, 'None in the last five minutes.')
      : h(
          'table',
          { 'aria-labelledby': id },
          h('thead', {}, headRow('Code', 'Number')),
          h('tbody', {}, ...counts.map(({ code, count }) => bodyRow(code, [h('bdi', {}, code)], number(count)))),
        ),
  );
