import {
  type DocumentNode,
  type GraphQLError,
  Kind,
  Lexer,
  type SelectionSetNode,
  Source,
  TokenKind,
  visit,
} from 'graphql';
import { type ExceededLimit, limitError } from './limit-error.ts';

/** Limits on the documents that a process accepts. Every limit is inclusive. */
export type DocumentLimits = {
  /** Characters of the source text, in UTF-16 units. */
  readonly chars: number;
  /** Lexical tokens, without comments. */
  readonly tokens: number;
  /** Nesting depth of fields, with fragments expanded. */
  readonly depth: number;
  readonly aliases: number;
  readonly directives: number;
  /** Fields and fragments selected by one operation, with fragments expanded at each spread. */
  readonly selections: number;
  /** Root fields of one operation, with fragments expanded. */
  readonly rootFields: number;
  /** Root fields of one mutation. */
  readonly mutations: number;
};

/** The environment variable of each limit. */
export const LIMIT_VARIABLES = {
  chars: 'MAX_OPERATION_CHARS',
  tokens: 'MAX_OPERATION_TOKENS',
  depth: 'MAX_OPERATION_DEPTH',
  aliases: 'MAX_ALIASES',
  directives: 'MAX_DIRECTIVES',
  selections: 'MAX_SELECTIONS',
  rootFields: 'MAX_ROOT_FIELDS',
  mutations: 'MAX_MUTATIONS',
} as const satisfies Readonly<Record<keyof DocumentLimits, string>>;

const WHAT: Readonly<Record<keyof DocumentLimits, string>> = {
  chars: 'characters',
  tokens: 'tokens',
  depth: 'levels of fields',
  aliases: 'aliases',
  directives: 'directives',
  selections: 'selections with its fragments expanded',
  rootFields: 'fields at its root',
  mutations: 'mutations',
};

/** Nested brackets of any kind per level of fields: inline fragments and input objects nest too. */
const BRACKETS_PER_LEVEL = 4;

const OPENING: ReadonlySet<string> = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const CLOSING: ReadonlySet<string> = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

const exceeded = (limits: DocumentLimits, name: keyof DocumentLimits, value: number): ExceededLimit | undefined => {
  const limit = limits[name];
  return value > limit ? { what: WHAT[name], value, limit, variable: LIMIT_VARIABLES[name] } : undefined;
};

/**
 * Checks a source text before it is parsed, in linear time and without building anything. Returns the error for the first
 * exceeded limit. A text that is not GraphQL passes as far as it can be read; the parser reports the syntax error.
 */
export const checkSource = (text: string, limits: DocumentLimits): GraphQLError | undefined => {
  const tooLong = exceeded(limits, 'chars', text.length);
  if (tooLong) return limitError(tooLong);
  const { tokens, nesting } = measureSource(text);
  const found = exceeded(limits, 'tokens', tokens);
  if (found) return limitError(found);
  // The parser and everything after it are recursive.
  const limit = limits.depth * BRACKETS_PER_LEVEL;
  if (nesting <= limit) return undefined;
  return limitError({ what: 'levels of brackets', value: nesting, limit, variable: LIMIT_VARIABLES.depth });
};

const measureSource = (text: string): { readonly tokens: number; readonly nesting: number } => {
  const lexer = new Lexer(new Source(text));
  let tokens = 0;
  let open = 0;
  let nesting = 0;
  try {
    while (lexer.advance().kind !== TokenKind.EOF) {
      tokens += 1;
      if (OPENING.has(lexer.token.kind)) open += 1;
      else if (CLOSING.has(lexer.token.kind)) open -= 1;
      nesting = Math.max(nesting, open);
    }
  } catch {
    // Not GraphQL from here on; the parser reports it.
  }
  return { tokens, nesting };
};

/** The measures of one definition, with fragments expanded. */
type Measures = {
  readonly selections: number;
  readonly depth: number;
  readonly rootFields: number;
  /** The number of directives, each counted once for every selection below it. */
  readonly conditions: number;
};

const NOTHING: Measures = { selections: 0, depth: 0, rootFields: 0, conditions: 0 };

/** Maximum average number of selections below each directive: every field holds the conditions of all its ancestors. */
const SELECTIONS_PER_DIRECTIVE = 20;

/**
 * Checks a parsed document in one pass that measures each fragment once, however often it is spread. Returns the error for
 * the first exceeded limit.
 */
export const checkDocument = (document: DocumentNode, limits: DocumentLimits): GraphQLError | undefined => {
  const { aliases, directives } = countNodes(document);
  const found = exceeded(limits, 'aliases', aliases) ?? exceeded(limits, 'directives', directives);
  if (found) return limitError(found);
  const measure = createMeasure(document);
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const { selections, depth, rootFields, conditions } = measure(definition.selectionSet);
    const over =
      exceeded(limits, 'depth', depth) ??
      exceeded(limits, 'selections', selections) ??
      (definition.operation === 'mutation' ? exceeded(limits, 'mutations', rootFields) : undefined) ??
      exceeded(limits, 'rootFields', rootFields);
    if (over) return limitError(over);
    const limit = limits.directives * SELECTIONS_PER_DIRECTIVE;
    if (conditions <= limit) continue;
    const what = 'directives, each counted for every selection below it';
    return limitError({ what, value: conditions, limit, variable: LIMIT_VARIABLES.directives });
  }
  return undefined;
};

/** Counts the selections of a document's largest operation, with fragments expanded. */
export const countSelections = (document: DocumentNode): number => {
  const measure = createMeasure(document);
  return Math.max(
    0,
    ...document.definitions.map((definition) =>
      definition.kind === Kind.OPERATION_DEFINITION ? measure(definition.selectionSet).selections : 0,
    ),
  );
};

const countNodes = (document: DocumentNode): { readonly aliases: number; readonly directives: number } => {
  let aliases = 0;
  let directives = 0;
  visit(document, {
    Field: ({ alias }) => {
      if (alias) aliases += 1;
    },
    Directive: () => {
      directives += 1;
    },
  });
  return { aliases, directives };
};

const createMeasure = ({ definitions }: DocumentNode) => {
  const fragments = new Map(
    definitions.flatMap((definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition.selectionSet] as const] : [],
    ),
  );
  const measured = new Map<string, Measures>();

  const measureFragment = (name: string): Measures => {
    const known = measured.get(name);
    if (known) return known;
    const selectionSet = fragments.get(name);
    // A recursive spread counts as nothing here; validation rejects it.
    measured.set(name, NOTHING);
    const measures = selectionSet ? measure(selectionSet) : NOTHING;
    measured.set(name, measures);
    return measures;
  };

  const measure = (selectionSet: SelectionSetNode): Measures => {
    let selections = 0;
    let depth = 0;
    let rootFields = 0;
    let conditions = 0;
    for (const selection of selectionSet.selections) {
      const isField = selection.kind === Kind.FIELD;
      const inner =
        selection.kind === Kind.FRAGMENT_SPREAD
          ? measureFragment(selection.name.value)
          : selection.selectionSet
            ? measure(selection.selectionSet)
            : NOTHING;
      selections += 1 + inner.selections;
      conditions += (selection.directives?.length ?? 0) * (1 + inner.selections) + inner.conditions;
      depth = Math.max(depth, inner.depth + (isField ? 1 : 0));
      rootFields += isField ? 1 : inner.rootFields;
    }
    return { selections, depth, rootFields, conditions };
  };

  return measure;
};
