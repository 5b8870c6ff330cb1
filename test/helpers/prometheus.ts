import { spawnSync } from 'node:child_process';
import { hasTool } from './tools.ts';

export type Sample = {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
};

export type Exposition = {
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
  /** Returns the value of the only series with this name and at least these labels; undefined if there is none. */
  readonly value: (name: string, labels?: Readonly<Record<string, string>>) => number | undefined;
  /** Returns all series with this name. */
  readonly all: (name: string) => Sample[];
};

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`, 's');
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\n"])*)"(?:,(?!$)|$)/s;
const ESCAPES: Readonly<Record<string, string>> = { '\\\\': '\\', '\\n': '\n', '\\"': '"' };
const VALUES: Readonly<Record<string, number>> = { '+Inf': Number.POSITIVE_INFINITY, '-Inf': Number.NEGATIVE_INFINITY };

const fail = (why: string, line: string): never => {
  throw new Error(`${why}: ${JSON.stringify(line)}`);
};

const parseLabels = (text: string, line: string): Map<string, string> => {
  const labels = new Map<string, string>();
  for (let rest = text; rest !== ''; ) {
    const [all = '', name = '', value = ''] = LABEL.exec(rest) ?? fail('No label', line);
    if (labels.has(name)) fail('A label twice', line);
    labels.set(
      name,
      value.replaceAll(/\\[\\n"]/g, (escaped) => ESCAPES[escaped] ?? ''),
    );
    rest = rest.slice(all.length);
  }
  return labels;
};

const parseValue = (text: string, line: string): number => {
  const value = VALUES[text] ?? Number(text);
  return Number.isNaN(value) || text === '' ? fail('No number', line) : value;
};

/** The family that a sample belongs to: a histogram has three suffixes. */
const familyOf = (name: string, types: ReadonlyMap<string, string>): string | undefined => {
  if (types.has(name)) return name;
  const base = name.replace(/_(bucket|sum|count)$/, '');
  return types.get(base) === 'histogram' ? base : undefined;
};

/**
 * Parses Prometheus's text format 0.0.4, more strictly than Prometheus: each family has help and type before its samples, all
 * samples of a family are together, no series is there twice, counters are not negative, and the buckets of a histogram are
 * complete and agree with its count. Throws an Error otherwise.
 */
export const parseExposition = (text: string): Exposition => {
  if (!text.endsWith('\n')) throw new Error('The last line has no end.');
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const samples: Sample[] = [];
  const series = new Set<string>();
  const ended = new Set<string>();
  let current: string | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    const [, keyword, family = '', rest = ''] = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`).exec(line) ?? [];
    if (keyword === 'HELP') {
      if (helped.has(family)) fail('Help twice', line);
      helped.add(family);
    } else if (keyword === 'TYPE') {
      if (types.has(family) || !helped.has(family)) fail('A type twice, or without help', line);
      if (!['counter', 'gauge', 'histogram'].includes(rest)) fail('Another type', line);
      types.set(family, rest);
    } else {
      const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? fail('No sample', line);
      const sample = { name, labels: parseLabels(labels, line), value: parseValue(value, line) };
      const of = familyOf(name, types) ?? fail('A sample without type', line);
      if (of !== current && ended.has(of)) fail('A family twice', line);
      if (current !== undefined && of !== current) ended.add(current);
      current = of;
      const id = JSON.stringify([name, [...sample.labels].sort()]);
      if (series.has(id)) fail('A series twice', line);
      series.add(id);
      if (types.get(of) !== 'gauge' && sample.value < 0) fail('A negative sum', line);
      samples.push(sample);
    }
  }
  checkHistograms(types, samples);
  const all = (name: string) => samples.filter((sample) => sample.name === name);
  return {
    types,
    samples,
    all,
    value: (name, labels = {}) => {
      const found = all(name).filter((sample) =>
        Object.entries(labels).every(([label, value]) => sample.labels.get(label) === value),
      );
      if (found.length > 1) throw new Error(`${found.length} series are ${name} ${JSON.stringify(labels)}.`);
      return found[0]?.value;
    },
  };
};

const checkHistograms = (types: ReadonlyMap<string, string>, samples: readonly Sample[]): void => {
  const buckets = new Map<string, { readonly le: number; readonly value: number }[]>();
  const counts = new Map<string, number>();
  for (const { name, labels, value } of samples) {
    const rest = [...labels].filter(([label]) => label !== 'le').sort();
    const id = JSON.stringify([name.replace(/_(bucket|count)$/, ''), rest]);
    if (name.endsWith('_bucket')) {
      const le = parseValue(labels.get('le') ?? '', name);
      buckets.set(id, [...(buckets.get(id) ?? []), { le, value }]);
    }
    if (name.endsWith('_count') && types.get(name.replace(/_count$/, '')) === 'histogram') counts.set(id, value);
  }
  if (buckets.size !== counts.size) throw new Error('A histogram has no count, or no buckets.');
  for (const [id, all] of buckets) {
    const isAscending = all.every(({ le, value }, index) => {
      const before = all[index - 1];
      return !before || (le > before.le && value >= before.value);
    });
    if (!isAscending || all.at(-1)?.le !== Number.POSITIVE_INFINITY || all.at(-1)?.value !== counts.get(id)) {
      throw new Error(`The buckets do not fit: ${id}`);
    }
  }
};

/** Returns what Prometheus's own checker says of a text; empty if all is well, or if it is not installed. */
export const promtool = (text: string): string => {
  if (!hasTool('promtool')) return '';
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  return status === 0 || status === 3 ? '' : `${stdout}${stderr}`;
};

/** Reads `/metrics` at the admin port, and checks the text. */
export const readMetrics = async (adminUrl: string | undefined): Promise<Exposition> => {
  const response = await fetch(`${adminUrl}/metrics`);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
  return parseExposition(text);
};
