import { shareBar } from './charts.ts';
import { h } from './dom.ts';
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
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              ...[what, 'Provider calls', 'Time', 'Runs', 'With errors'].map((name, index) =>
                h('th', { scope: 'col', class: index > 0 ? 'figure' : undefined }, name),
              ),
            ),
          ),
          h('tbody', {}, ...costs.map((cost) => renderCost(cost, calls))),
        ),
  );
};

const renderCost = ({ name, operations, errors, calls, timeMs }: Cost, all: number): Element =>
  h(
    'tr',
    { 'data-key': name },
    h('th', { scope: 'row' }, h('bdi', {}, name), shareBar(calls, Math.max(1, all))),
    ...[number(calls), duration(timeMs), number(operations), number(errors)].map((text) =>
      h('td', { class: 'figure' }, text),
    ),
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
          h(
            'thead',
            {},
            h('tr', {}, h('th', { scope: 'col' }, 'Code'), h('th', { scope: 'col', class: 'figure' }, 'Number')),
          ),
          h(
            'tbody',
            {},
            ...counts.map(({ code, count }) =>
              h(
                'tr',
                { 'data-key': code },
                h('th', { scope: 'row' }, h('bdi', {}, code)),
                h('td', { class: 'figure' }, number(count)),
              ),
            ),
          ),
        ),
  );
