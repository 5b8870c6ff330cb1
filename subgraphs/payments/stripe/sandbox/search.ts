import { invalid } from './errors.ts';

/** The searchable fields by type: a text matches exactly or in part, a token exactly, a number also by comparison. */
export type Fields = Readonly<Record<string, 'text' | 'token' | 'number'>>;

type Operator = ':' | '~' | '>' | '<' | '>=' | '<=';

type Clause = {
  readonly isNegated: boolean;
  readonly field: string;
  /** The key in `metadata["key"]`. */
  readonly key: string | undefined;
  readonly operator: Operator;
  /** Null matches unset values. */
  readonly value: string | null;
};

const CLAUSE =
  /^\s*(-?)(?:metadata\[(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\]|([a-z_]+))(:|~|>=|<=|>|<)(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(-?\d+)|(null)\b)/i;

const OPERATORS: Readonly<Record<Fields[string], readonly Operator[]>> = {
  text: [':', '~'],
  token: [':'],
  number: [':', '>', '<', '>=', '<='],
};

/** Minimum length of a part of a text. */
const MIN_PART = 3;

/**
 * Parses Stripe's search query language to a predicate: at most ten clauses `field:"value"`, `-field:"value"`,
 * `field~"part"`, `field>number`, `metadata["key"]:"value"` and `metadata["key"]:null`, all joined by AND (or a space) or all
 * by OR. Text is compared case-insensitively. Source: https://docs.stripe.com/search
 */
export const parseSearch = (query: string, fields: Fields): ((object: object) => boolean) => {
  const refuse = () => invalid(`Invalid search query: ${query}`, { param: 'query' });
  const clauses: Clause[] = [];
  const joins = new Set<string>();
  let rest = query;
  for (;;) {
    const match = CLAUSE.exec(rest);
    if (!match) throw refuse();
    const [all, minus, doubleKey, singleKey, field, operator, double, single, number, none] = match;
    const key = doubleKey ?? singleKey;
    const clause: Clause = {
      isNegated: minus === '-',
      field: field ?? 'metadata',
      key: key === undefined ? undefined : unquote(key),
      operator: operator as Operator,
      value: none ? null : (number ?? unquote(double ?? single ?? '')),
    };
    const kind =
      clause.key === undefined ? (Object.hasOwn(fields, clause.field) ? fields[clause.field] : undefined) : 'text';
    if (!kind || !OPERATORS[kind].includes(clause.operator)) throw refuse();
    if (kind === 'number' && !/^-?\d+$/.test(clause.value ?? '')) throw refuse();
    if (clause.operator === '~' && (clause.value ?? '').length < MIN_PART) throw refuse();
    clauses.push(clause);
    rest = rest.slice(all.length);
    if (!rest.trim()) break;
    const join = /^\s+(?:(AND|OR)\s)?/i.exec(rest);
    if (!join) throw refuse();
    joins.add((join[1] ?? 'AND').toUpperCase());
    rest = rest.slice(join[0].length);
  }
  if (joins.size > 1) throw invalid('A query cannot mix AND and OR.', { param: 'query' });
  if (clauses.length > 10) throw invalid('A query has at most 10 clauses.', { param: 'query' });
  const matches = (object: object) => (clause: Clause) => holds(clause, object) !== clause.isNegated;
  return joins.has('OR') ? (object) => clauses.some(matches(object)) : (object) => clauses.every(matches(object));
};

const unquote = (text: string): string => text.replace(/\\(.)/g, '$1');

const holds = ({ field, key, operator, value }: Clause, object: object): boolean => {
  const whole = (object as Record<string, unknown>)[field];
  const actual = key === undefined ? whole : new Map(Object.entries((whole as object | null) ?? {})).get(key);
  if (value === null) return (actual ?? null) === null;
  if (operator === ':') return String(actual ?? '').toLowerCase() === value.toLowerCase();
  if (operator === '~') {
    return String(actual ?? '')
      .toLowerCase()
      .includes(value.toLowerCase());
  }
  const [left, right] = [Number(actual), Number(value)];
  if (operator === '>') return left > right;
  if (operator === '<') return left < right;
  return operator === '>=' ? left >= right : left <= right;
};
