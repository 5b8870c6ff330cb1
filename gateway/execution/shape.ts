import {
  type GraphQLLeafType,
  type GraphQLNamedType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isAbstractType,
  isCompositeType,
  isInterfaceType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  type OperationDefinitionNode,
} from 'graphql';
import type { AnswerBudget } from '../cost/answer-budget.ts';
import { type Code, createCode, property, read } from './code.ts';
import { type Data, own, TYPE_FAILURE } from './data.ts';
import { Failure, type FetchError } from './failure.ts';
import { writeLeafTest } from './leaf-test.ts';
import {
  type Condition,
  collectFields,
  type Fragments,
  isSelected,
  type Selected,
  subselectionsOf,
  typeDependent,
} from './selections.ts';
import { isOfType } from './types.ts';

/** What one answer is shaped with. */
export type Shaping = {
  /** The values of the variables that `@skip` and `@include` ask for. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** Whether there are failures among the data. */
  readonly hasFailures: boolean;
  /** Filled with the errors of the answer; their paths begin at its root, with the names that fields have in the data. */
  readonly errors: FetchError[];
  /** Gives the value of `__schema` or `__type`, by the response name. */
  readonly introspect: (name: string) => unknown;
} & AnswerBudget;

/** Makes the answer's data of what fetches gave; null where a null came up to the root. */
export type Shape = (data: Data, shaping: Shaping) => Data | null;

/** Gives a value its final form, or undefined where that is a null that the schema forbids; then there is an error. */
type Complete = (value: unknown, shaping: Shaping) => unknown;

/**
 * Compiles how an operation's answer is made: the fields in the order of the specification, of each object those that
 * its type has, nulls taken up to the next place that may be null. `clientName` gives the name of a field in the answer
 * for the one it has in the data.
 */
export const createShape = (
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  fragments: Fragments,
  clientName: (name: string) => string,
): Shape => {
  const objects = new Map<string, Complete>();
  const ids = new Map<unknown, number>();
  const idOf = (value: unknown): number => {
    const id = ids.get(value) ?? ids.size;
    ids.set(value, id);
    return id;
  };

  /** One function for each type and selection, however often fragments repeat it. */
  const objectOf = (typename: string, fields: ReadonlyMap<string, readonly Selected[]>): Complete => {
    const parts = [...fields.values()].flat().map(({ node, conditions }) => [idOf(node), ...conditions]);
    const key = JSON.stringify([typename, parts]);
    const known = objects.get(key);
    if (known) return known;
    const made = writeObject(typename, fields);
    objects.set(key, made);
    return made;
  };

  const writeObject = (typename: string, fields: ReadonlyMap<string, readonly Selected[]>): Complete => {
    const code = createCode();
    const type = schema.getType(typename);
    const definitions = isObjectType(type) || isInterfaceType(type) ? type.getFields() : {};
    const properties: string[] = [];
    code.add(`if ((shaping.left -= ${fields.size + 1}) < 0) shaping.checkpoint();`);
    for (const [name, selected] of fields) {
      const [{ node }] = selected as [Selected];
      const key = JSON.stringify(name);
      const value = code.name('value');
      properties.push(property(clientName(name), value));
      code.add(`let ${value};`);
      const condition = writeCondition(selected);
      if (condition !== 'true') code.add(`if (${condition}) {`);
      if (node.name.value === '__typename') {
        // An object whose type is an interface does not get here where its type is asked for.
        code.add(`${value} = ${JSON.stringify(typename)};`);
      } else if (node.name.value.startsWith('__')) {
        code.add(`${value} = shaping.introspect(${key});`);
      } else {
        const definition = definitions[node.name.value];
        if (!definition) throw new Error(`The schema has no field ${typename}.${node.name.value}.`);
        code.add(`${value} = ${read('object', name)};`);
        writeField(code, { value, key, type: definition.type, selected, place: `${typename}.${node.name.value}` });
      }
      if (condition !== 'true') code.add('}');
    }
    return code.toFunction(`shape_${typename}`, ['object', 'shaping'], `{ ${properties.join(', ')} }`);
  };

  type FieldText = {
    readonly value: string;
    readonly key: string;
    readonly type: GraphQLOutputType;
    readonly selected: readonly Selected[];
    readonly place: string;
  };

  const writeField = (code: Code, { value, key, type, selected, place }: FieldText): void => {
    const isRequired = isNonNullType(type);
    const bare = isNonNullType(type) ? type.ofType : type;
    const problem = code.constant(problemOf(place));
    const giveUp = isRequired ? 'return undefined;' : `${value} = null;`;
    const failed = `shaping.hasFailures && ${value} instanceof ${code.constant(Failure)}`;
    const fail = isRequired
      ? `{ ${code.constant(pushFailure)}(shaping, ${value}, ${key}) || ${problem}.isNull(shaping, ${key}); ${giveUp} }`
      : `{ ${code.constant(pushFailure)}(shaping, ${value}, ${key}); ${giveUp} }`;
    const isNull = isRequired ? `{ ${problem}.isNull(shaping, ${key}); ${giveUp} }` : ';';
    // A null is an answer; nothing at all is none, and has no reason that anything else would report.
    const missing = `{ ${problem}.isNull(shaping, ${key}); ${giveUp} }`;
    if (isLeafType(bare)) {
      const test = writeLeafTest(code, bare, value);
      code.add(
        `if (!(${test})) {`,
        `  if (${value} === null) ${isNull}`,
        `  else if (${value} === undefined) ${missing}`,
        `  else if (${failed}) ${fail}`,
        `  else { ${problem}.isInvalid(shaping, ${key}); ${giveUp} }`,
        `}`,
        ...(isText(bare) ? [writeLongText(value)] : []),
      );
      return;
    }
    const complete = code.constant(completeOf(bare, selected, place));
    const before = code.name('before');
    code.add(
      `if (${value} === null) ${isNull}`,
      `else if (${value} === undefined) ${missing}`,
      `else if (${failed}) ${fail}`,
      `else {`,
      `  const ${before} = shaping.errors.length;`,
      `  ${value} = ${complete}(${value}, shaping);`,
      `  if (shaping.errors.length !== ${before}) ${code.constant(prefix)}(shaping, ${before}, ${key});`,
      `  if (${value} === undefined) ${giveUp}`,
      `}`,
    );
  };

  const completeOf = (type: GraphQLOutputType, selected: readonly Selected[], place: string): Complete => {
    if (isListType(type)) return writeList(type.ofType, selected, place);
    if (isAbstractType(type) || isObjectType(type)) return writeComposite(type, selected, place);
    throw new Error(`${place} has no type that can be selected from.`);
  };

  const writeList = (itemType: GraphQLOutputType, selected: readonly Selected[], place: string): Complete => {
    const code = createCode();
    const problem = code.constant(problemOf(place));
    code.add(
      `if (!Array.isArray(list)) { ${problem}.isInvalid(shaping); return undefined; }`,
      'if ((shaping.left -= list.length) < 0) shaping.checkpoint();',
      'const result = new Array(list.length);',
      'for (let index = 0; index < list.length; index++) {',
      '  let item = list[index];',
    );
    writeField(code, { value: 'item', key: 'index', type: itemType, selected, place });
    code.add('  result[index] = item;', '}');
    return code.toFunction(`shape_list_${place.replace('.', '_')}`, ['list', 'shaping'], 'result');
  };

  const writeComposite = (type: GraphQLNamedType, selected: readonly Selected[], place: string): Complete => {
    const from = subselectionsOf(selected);
    const problem = problemOf(place);
    const ofType = (typename: string) => objectOf(typename, collectFields(schema, typename, from, fragments));
    if (isObjectType(type)) {
      const complete = ofType(type.name);
      return (value, shaping) => {
        if (typeof value === 'object' && !Array.isArray(value)) return complete(value, shaping);
        problem.isInvalid(shaping);
        return undefined;
      };
    }
    // A type's function is written when the first object of that type comes: most never do.
    const known = new Map<unknown, Complete>();
    return (value, shaping) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        problem.isInvalid(shaping);
        return undefined;
      }
      // A subgraph that knows an interface's objects as one type of its own does not say what they are.
      const typename = (value as Data)['__typename'] ?? type.name;
      const before = known.get(typename);
      if (before) return before(value, shaping);
      const runtime = typeof typename === 'string' ? schema.getType(typename) : undefined;
      if (!isCompositeType(runtime) || (isObjectType(runtime) && !isOfType(schema, runtime.name, type.name))) {
        problem.isInvalid(shaping);
        return undefined;
      }
      const complete = isObjectType(runtime) ? ofType(runtime.name) : writeUntyped(runtime.name, selected, ofType);
      known.set(typename, complete);
      return complete(value, shaping);
    };
  };

  /** For objects of which only an interface is known: those that have that interface's fields and no others selected. */
  const writeUntyped = (
    typename: string,
    selected: readonly Selected[],
    ofType: (typename: string) => Complete,
  ): Complete => {
    const typed = typeDependent(schema, typename, subselectionsOf(selected), fragments);
    const complete = ofType(typename);
    return (value, shaping) => {
      if (!isSelected(typed, shaping.variables)) return complete(value, shaping);
      const failure = own(value as Data, TYPE_FAILURE);
      const errors = failure instanceof Failure ? failure.forDependent().at('__typename') : [];
      shaping.errors.push(...(errors.length > 0 ? errors.map((error) => ({ ...error, path: [] })) : [UNTYPED]));
      return undefined;
    };
  };

  const root = schema.getRootType(operation.operation);
  if (!root) throw new Error(`The schema has no ${operation.operation}.`);
  const from = [{ selectionSet: operation.selectionSet, conditions: [] }];
  const complete = objectOf(root.name, collectFields(schema, root.name, from, fragments));
  return (data, shaping) => (complete(data, shaping) ?? null) as Data | null;
};

const isText = ({ name }: GraphQLLeafType): boolean => name === 'String' || name === 'ID';

/** Counts a long text as a value for every 128 characters: one entity's can stand at thousands of places. */
const writeLongText = (value: string): string =>
  `else if (${value}.length > 256 && (shaping.left -= ${value}.length >> 7) < 0) shaping.checkpoint();`;

const writeCondition = (selected: readonly Selected[]): string => {
  const all = selected.map(({ conditions }) =>
    conditions.length === 0 ? 'true' : conditions.map(writeOne).join(' && '),
  );
  return all.includes('true') ? 'true' : all.join(' || ');
};

const writeOne = ({ variable, is }: Condition): string => `shaping.variables[${JSON.stringify(variable)}] === ${is}`;

const INVALID = { code: 'UPSTREAM_BAD_RESPONSE' };

/** What to say of a value that the schema does not allow, at a place such as `Product.name`. */
const problemOf = (place: string) => ({
  isNull: (shaping: Shaping, key: string | number) =>
    shaping.errors.push({
      message: `There is no value for ${place}, which cannot be null.`,
      extensions: INVALID,
      path: [key],
    }),
  isInvalid: (shaping: Shaping, ...path: (string | number)[]) =>
    shaping.errors.push({ message: `The value for ${place} is not of its type.`, extensions: INVALID, path }),
});

const UNTYPED: FetchError = {
  message: 'No service gave the concrete type of this object.',
  extensions: INVALID,
  path: [],
};

/** Gives the number of errors, for a failure may be the lack of a value and no error. */
const pushFailure = (shaping: Shaping, failure: Failure, key: string | number): number => {
  const errors = failure.at(key);
  shaping.errors.push(...errors);
  return errors.length;
};

const prefix = (shaping: Shaping, from: number, key: string | number): void => {
  for (let index = from; index < shaping.errors.length; index++) {
    const error = shaping.errors[index] as FetchError;
    shaping.errors[index] = { ...error, path: [key, ...error.path] };
  }
};
