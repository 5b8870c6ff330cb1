import { type Goal, MEASURES, type Measure, medianOf, type Profile, type Row } from './result.ts';

/* The result as Markdown, for the terminal and for `docs/performance.md`. */

/** Formats a number with separators of thousands. */
export const formatNumber = (value: number | undefined, digits: number): string =>
  value === undefined || Number.isNaN(value)
    ? '–'
    : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** The medians of some rows, with the measures that one of them has. */
export const formatRows = (rows: readonly Row[]): string => {
  const measures = (Object.keys(MEASURES) as Measure[]).filter((measure) =>
    rows.some((row) => medianOf(row, measure) !== undefined),
  );
  const hasSettings = rows.some(({ at }) => at !== '');
  const cells = rows.map((row) => [
    row.gateway,
    ...(hasSettings ? [row.at] : []),
    ...measures.map((measure) => formatNumber(medianOf(row, measure), MEASURES[measure][1])),
  ]);
  return table(['gateway', ...(hasSettings ? ['at'] : []), ...measures.map((measure) => MEASURES[measure][0])], cells);
};

const isMet = ({ value, limit, goal }: Goal): boolean => (limit === 'most' ? value <= goal : value >= goal);

export const formatGoals = (goals: readonly Goal[]): string =>
  table(
    ['goal', 'measured', '', 'met'],
    goals.map((goal) => [
      goal.title,
      formatNumber(goal.value, goal.value < 100 ? 2 : 0),
      `at ${goal.limit} ${goal.goal}`,
      isMet(goal) ? 'yes' : 'no',
    ]),
  );

export const formatProfile = ({ shares }: Profile): string =>
  table(
    ['spent on', 'CPU %'],
    Object.entries(shares)
      .sort(([, one], [, other]) => other - one)
      .map(([name, share]) => [name, formatNumber(share * 100, 1)]),
  );
