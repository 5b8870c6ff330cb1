import { h } from './dom.ts';

/** Renders the head of a table whose first column has names, and the others figures. */
export const headRow = (...names: readonly string[]): Element =>
  h('tr', {}, ...names.map((name, index) => h('th', { scope: 'col', class: index > 0 ? 'figure' : undefined }, name)));

/** Renders a row: its name, then its figures. */
export const bodyRow = (key: string, name: readonly Node[], ...figures: readonly string[]): Element =>
  h(
    'tr',
    { 'data-key': key },
    h('th', { scope: 'row' }, ...name),
    ...figures.map((text) => h('td', { class: 'figure' }, text)),
  );
