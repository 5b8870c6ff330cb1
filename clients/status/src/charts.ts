import { h } from './dom.ts';
import type { Flow } from './status.ts';
import { count, duration } from './words.ts';

const WIDTH = 60;
const HEIGHT = 20;

const chart = (label: string, steps: number, ...paths: readonly Element[]): Element =>
  h(
    'svg',
    {
      class: 'chart',
      role: 'img',
      'aria-label': label,
      viewBox: `0 0 ${steps || WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
    },
    ...paths,
  );

/** A path of bars, one for each figure. */
const bars = (figures: readonly number[], most: number): string =>
  figures
    .map((figure, index) => {
      const height = (HEIGHT * figure) / most;
      return figure > 0 ? `M${index} ${HEIGHT}v${-height.toFixed(2)}h.8v${height.toFixed(2)}z` : '';
    })
    .join('');

/** Draws requests in time, with those that failed. */
export const requestChart = (noun: string, { count: all, failed, series }: Flow): Element => {
  const most = Math.max(1, ...series.count);
  const label = `${count(all, noun, `${noun}${noun.endsWith('h') ? 'es' : 's'}`)} in the last five minutes, ${failed} failed, at most ${most} in five seconds`;
  return chart(
    label,
    series.count.length,
    h('path', { class: 'all', d: bars(series.count, most) }),
    h('path', { class: 'bad', d: bars(series.failed, most) }),
  );
};

/** Draws the 99th percentile of latency in time. */
export const latencyChart = ({ p99Ms, series }: Flow): Element => {
  const known = series.p99Ms.filter((figure) => figure !== null);
  const most = Math.max(1, ...known);
  const dashes = series.p99Ms
    .map((figure, index) =>
      figure === null ? '' : `M${index} ${(HEIGHT - (HEIGHT - 2) * (figure / most) - 1).toFixed(2)}h1`,
    )
    .join('');
  const label =
    known.length === 0
      ? 'No latencies in the last five minutes'
      : `99th percentile of latency in the last five minutes: ${duration(p99Ms)}, at most ${duration(most)} in five seconds`;
  return chart(label, series.p99Ms.length, h('path', { class: 'line', d: dashes }));
};

/** Draws a part of a whole, marked if a limit is reached. Stands beside the figures in text, so it has no text of its own. */
export const shareBar = (part: number, whole: number, isLimit = false): Element =>
  h(
    'svg',
    {
      class: isLimit && part >= whole ? 'share full' : 'share',
      'aria-hidden': 'true',
      viewBox: '0 0 100 6',
      preserveAspectRatio: 'none',
    },
    h('rect', { class: 'ground', width: 100, height: 6 }),
    h('rect', { class: 'part', width: whole > 0 ? Math.min(100, (100 * part) / whole).toFixed(1) : 0, height: 6 }),
  );
