/* Line charts as SVG: a few readable elements, legible on light and dark pages. */

export type Series = {
  readonly name: string;
  /** Ascending by x. */
  readonly points: readonly (readonly [x: number, y: number])[];
};

export type Chart = {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** A logarithmic y axis. */
  readonly isLog?: boolean;
  readonly series: readonly Series[];
};

const [WIDTH, HEIGHT] = [420, 300];
const [LEFT, RIGHT, TOP, BOTTOM] = [56, 12, 34, 44];
const LEGEND_LINE = 18;
const LEGEND_COLUMNS = 3;

// Okabe and Ito's colors, which color-blind people can tell apart, without those that are pale on white or dark on black.
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f', '#a05195'];

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .grid { stroke: #8c959f; stroke-opacity: .35 }
  .line { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
`;

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const round = (value: number): number => Math.round(value * 10) / 10;
const format = (value: number): string => value.toLocaleString('en-US', { maximumSignificantDigits: 3 });

/** Returns about five round numbers from 0 to at least `max`. */
const linearTicks = (max: number): readonly number[] => {
  const rough = (max || 1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  return Array.from({ length: Math.ceil(max / step) + 1 }, (_, index) => index * step);
};

/** Returns powers of ten around `min` and `max`. */
const logTicks = (min: number, max: number): readonly number[] => {
  const first = Math.floor(Math.log10(min));
  return Array.from({ length: Math.ceil(Math.log10(max)) - first + 1 }, (_, index) => 10 ** (first + index));
};

const text = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escapeXml(content)}</text>`;
const line = (x1: number, y1: number, x2: number, y2: number): string =>
  `<line class="grid" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`;

const drawChart = (
  { title, x: xTitle, y: yTitle, isLog = false, series }: Chart,
  colorOf: (name: string) => string,
): readonly string[] => {
  const points = series.flatMap((one) => one.points);
  const ys = points.map(([, y]) => y);
  const xTicks = linearTicks(Math.max(...points.map(([x]) => x)));
  const yTicks = isLog ? logTicks(Math.min(...ys), Math.max(...ys)) : linearTicks(Math.max(...ys));
  const [yMin, yMax] = [yTicks[0] ?? 0, yTicks.at(-1) ?? 1];
  const scale = (value: number): number => (isLog ? Math.log10(value) : value);
  const toX = (value: number): number => LEFT + (value / (xTicks.at(-1) ?? 1)) * (WIDTH - LEFT - RIGHT);
  const toY = (value: number): number =>
    HEIGHT - BOTTOM - ((scale(value) - scale(yMin)) / (scale(yMax) - scale(yMin) || 1)) * (HEIGHT - TOP - BOTTOM);
  return [
    text(LEFT, 16, title, 'class="title"'),
    text(LEFT, 29, yTitle),
    ...yTicks.flatMap((tick) => [
      line(LEFT, toY(tick), WIDTH - RIGHT, toY(tick)),
      text(LEFT - 6, toY(tick) + 4, format(tick), 'text-anchor="end"'),
    ]),
    ...xTicks.map((tick) => text(toX(tick), HEIGHT - BOTTOM + 16, format(tick), 'text-anchor="middle"')),
    text(WIDTH - RIGHT, HEIGHT - BOTTOM + 34, xTitle, 'text-anchor="end"'),
    ...series.flatMap(({ name, points: own }) => {
      const color = colorOf(name);
      const path = own.map(([x, y]) => `${round(toX(x))},${round(toY(y))}`);
      const dots = own.map(([x, y]) => `<circle cx="${round(toX(x))}" cy="${round(toY(y))}" r="3" fill="${color}"/>`);
      return [`<polyline class="line" stroke="${color}" points="${path.join(' ')}"/>`, ...dots];
    }),
  ];
};

/** Draws charts side by side, `columns` in a row, with one legend. */
export const drawCharts = (label: string, charts: readonly Chart[], columns = 2): string => {
  const names = [...new Set(charts.flatMap(({ series }) => series.map(({ name }) => name)))];
  const colorOf = (name: string): string => COLORS[names.indexOf(name) % COLORS.length] as string;
  const width = WIDTH * Math.min(columns, charts.length);
  const top = HEIGHT * Math.ceil(charts.length / columns);
  const height = top + LEGEND_LINE * Math.ceil(names.length / LEGEND_COLUMNS) + 6;
  const panels = charts.flatMap((chart, index) => [
    `<g transform="translate(${(index % columns) * WIDTH} ${Math.floor(index / columns) * HEIGHT})">`,
    ...drawChart(chart, colorOf),
    '</g>',
  ]);
  const legend = names.flatMap((name, index) => {
    const x = LEFT + (index % LEGEND_COLUMNS) * ((width - LEFT) / LEGEND_COLUMNS);
    const y = top + 8 + LEGEND_LINE * Math.floor(index / LEGEND_COLUMNS);
    return [
      `<rect x="${round(x)}" y="${y - 9}" width="10" height="10" fill="${colorOf(name)}"/>`,
      text(x + 16, y, name),
    ];
  });
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${escapeXml(label)}">`,
    `<style>${STYLE}</style>`,
    ...panels,
    ...legend,
    '</svg>\n',
  ].join('\n');
};
