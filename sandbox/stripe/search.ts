import { invalid } from './errors.ts';

type Clause = { readonly field: string; readonly operator: ':' | '>' | '<' | '>=' | '<='; readonly value: string };

const CLAUSE = /^\s*([a-z_]+)(:|>=|<=|>|<)(?:"((?:[^"\\]|\\.)*)"|(\d+))/;

/**
 * Reads the provider's search language: clauses `field:"value"` and `field>number`, joined all by AND or all by OR,
 * at most ten. Gives a test for an object's fields. Text is compared whole and without regard to case.
 */
export const parseSearch = (query: string, fields: readonly string[]): ((object: object) => boolean) => {
  const clauses: Clause[] = [];
  const joins = new Set<string>();
  let rest = query;
  for (;;) {
    const match = CLAUSE.exec(rest);
    if (!match?.[1] || !fields.includes(match[1])) throw invalid(`Invalid search query: ${query}`, { param: 'query' });
    clauses.push({
      field: match[1],
      operator: match[2] as Clause['operator'],
      value: match[4] ?? (match[3] ?? '').replace(/\\(.)/g, '$1'),
    });
    rest = rest.slice(match[0].length);
    if (!rest.trim()) break;
    const join = /^\s+(AND|OR)\s/.exec(rest);
    if (!join?.[1]) throw invalid(`Invalid search query: ${query}`, { param: 'query' });
    joins.add(join[1]);
    rest = rest.slice(join[0].length);
  }
  if (joins.size > 1) throw invalid('A query cannot mix AND and OR.', { param: 'query' });
  if (clauses.length > 10) throw invalid('A query has at most 10 clauses.', { param: 'query' });
  const matches = (object: object) => (clause: Clause) =>
    test(clause, (object as Record<string, unknown>)[clause.field]);
  return joins.has('OR') ? (object) => clauses.some(matches(object)) : (object) => clauses.every(matches(object));
};

const test = ({ operator, value }: Clause, actual: unknown): boolean => {
  if (operator === ':') return String(actual ?? '').toLowerCase() === value.toLowerCase();
  const [left, right] = [Number(actual), Number(value)];
  if (operator === '>') return left > right;
  if (operator === '<') return left < right;
  return operator === '>=' ? left >= right : left <= right;
};
