import {
  type FieldNode,
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
  Kind,
  type SelectionSetNode,
} from 'graphql';
import type { ResponseBudget } from '../cost/response-budget.ts';
import { type Code, createCode, property, read } from './code.ts';
import { type Data, getOwn, TYPE_FAILURE } from './data.ts';
import { Failure, type FetchError } from './failure.ts';
import { writeLeafTest } from './leaf-test.ts';
import {
  type Condition,
  collectFields,
  type Fragments,
  findTypeDependent,
  isSelected,
  type SelectedField,
  subselectionsOf,
} from './selections.ts';
import { isOfType } from './types.ts';
import { isRemoved, removalError } from './unauthorized-fields.ts';

/** The state for shaping one response. */
export type Shaping = {
  /** Variable values, for `@skip` and `@include`. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** Whether the data contains failures. */
  readonly hasFailures: boolean;
  /** Receives the errors of the response. Their paths start at the root and use the field names of the internal data. */
  readonly errors: FetchError[];
  /** Returns the value of `__schema` or `__type`, by response name. */
  readonly introspect: (name: string) => unknown;
} & ResponseBudget;

/** Shapes a fetched object into response data. Returns null if a null propagated to it. */
export type Shape = (data: Data, shaping: Shaping) => Data | null;

/** Compiles shapes, which share the functions for equal selections. */
export type Shapes = {
  /** Compiles the shape of objects of a type, of which `selectionSet` is selected. */
  readonly ofObject: (typename: string, selectionSet: SelectionSetNode) => Shape;
};

/** Completes a value. Returns undefined if it is null where the schema forbids it, after reporting an error. */
type Complete = (value: unknown, shaping: Shaping) => unknown;

/**
 * Creates the compiler of shapes. They have the fields in the order of the specification, only those that apply to each object's
 * type, and nulls propagated to the next nullable field. `clientName` maps a field's internal name to its response name.
 */
export const createShapes = (
  schema: GraphQLSchema,
  fragments: Fragments,
  clientName: (name: string) => string,
): Shapes => {
  const objects = new Map<string, Complete>();
  const ids = new Map<unknown, number>();
  const idOf = (value: unknown): number => {
    const id = ids.get(value) ?? ids.size;
    ids.set(value, id);
    return id;
  };

  /** Returns one function per type and selection, however often fragments repeat it. */
  const objectOf = (typename: string, fields: ReadonlyMap<string, readonly SelectedField[]>): Complete => {
    const parts = [...fields.values()].flat().map(({ node, conditions }) => [idOf(node), ...conditions]);
    const key = JSON.stringify([typename, parts]);
    const existing = objects.get(key);
    if (existing) return existing;
    const complete = writeObject(typename, fields);
    objects.set(key, complete);
    return complete;
  };

  const writeObject = (typename: string, fields: ReadonlyMap<string, readonly SelectedField[]>): Complete => {
    const code = createCode();
    const type = schema.getType(typename);
    const definitions = isObjectType(type) || isInterfaceType(type) ? type.getFields() : {};
    const properties: string[] = [];
    code.add(`if ((shaping.valuesLeft -= ${fields.size + 1}) < 0) shaping.checkpoint();`);
    for (const [name, selected] of fields) {
      const [{ node }] = selected as [SelectedField];
      const key = JSON.stringify(name);
      const value = code.name('value');
      properties.push(property(clientName(name), value));
      code.add(`let ${value};`);
      const condition = writeCondition(selected);
      if (condition !== 'true') code.add(`if (${condition}) {`);
      if (node.name.value === '__typename') {
        // Never reached for an interface object: selecting `__typename` on one is an error.
        code.add(`${value} = ${JSON.stringify(typename)};`);
      } else if (node.name.value.startsWith('__')) {
        code.add(`${value} = shaping.introspect(${key});`);
      } else {
        const definition = definitions[node.name.value];
        if (!definition) throw new Error(`The schema has no field ${typename}.${node.name.value}.`);
        const { type } = definition;
        if (selected.every((one) => isRemoved(one.node))) {
          code.add(
            `shaping.errors.push({ ...${code.constant(removalError(node))}, path: [${key}] });`,
            isNonNullType(type) ? 'return undefined;' : `${value} = null;`,
          );
        } else {
          code.add(`${value} = ${read('object', name)};`);
          writeField(code, { value, key, type, selected, coordinate: `${typename}.${node.name.value}` });
        }
      }
      if (condition !== 'true') code.add('}');
    }
    return code.toFunction(`shape_${typename}`, ['object', 'shaping'], `{ ${properties.join(', ')} }`);
  };

  type FieldCode = {
    readonly value: string;
    readonly key: string;
    readonly type: GraphQLOutputType;
    readonly selected: readonly SelectedField[];
    readonly coordinate: string;
  };

  const writeField = (code: Code, { value, key, type, selected, coordinate }: FieldCode): void => {
    const isRequired = isNonNullType(type);
    const nullableType = isNonNullType(type) ? type.ofType : type;
    const report = code.constant(createErrorReporter(coordinate));
    const assignNull = isRequired ? 'return undefined;' : `${value} = null;`;
    const failed = `shaping.hasFailures && ${value} instanceof ${code.constant(Failure)}`;
    const fail = isRequired
      ? `{ ${code.constant(pushFailure)}(shaping, ${value}, ${key}) || ${report}.nullValue(shaping, ${key}); ${assignNull} }`
      : `{ ${code.constant(pushFailure)}(shaping, ${value}, ${key}); ${assignNull} }`;
    const isNull = isRequired ? `{ ${report}.nullValue(shaping, ${key}); ${assignNull} }` : ';';
    // Null is a valid response. A missing value is not, and no other error reports it.
    const missing = `{ ${report}.nullValue(shaping, ${key}); ${assignNull} }`;
    if (isLeafType(nullableType)) {
      const test = writeLeafTest(code, nullableType, value);
      code.add(
        `if (!(${test})) {`,
        `  if (${value} === null) ${isNull}`,
        `  else if (${value} === undefined) ${missing}`,
        `  else if (${failed}) ${fail}`,
        `  else { ${report}.invalidValue(shaping, ${key}); ${assignNull} }`,
        `}`,
        ...(isStringLike(nullableType) ? [writeLongText(value)] : []),
      );
      return;
    }
    const complete = code.constant(completeOf(nullableType, selected, coordinate));
    const before = code.name('before');
    code.add(
      `if (${value} === null) ${isNull}`,
      `else if (${value} === undefined) ${missing}`,
      `else if (${failed}) ${fail}`,
      `else {`,
      `  const ${before} = shaping.errors.length;`,
      `  ${value} = ${complete}(${value}, shaping);`,
      `  if (shaping.errors.length !== ${before}) ${code.constant(prefix)}(shaping, ${before}, ${key});`,
      `  if (${value} === undefined) ${assignNull}`,
      `}`,
    );
  };

  const completeOf = (type: GraphQLOutputType, selected: readonly SelectedField[], coordinate: string): Complete => {
    if (isListType(type)) return writeList(type.ofType, selected, coordinate);
    if (isAbstractType(type) || isObjectType(type)) return writeComposite(type, selected, coordinate);
    throw new Error(`${coordinate} is not of a composite type.`);
  };

  const writeList = (itemType: GraphQLOutputType, selected: readonly SelectedField[], coordinate: string): Complete => {
    const code = createCode();
    const report = code.constant(createErrorReporter(coordinate));
    code.add(
      `if (!Array.isArray(list)) { ${report}.invalidValue(shaping); return undefined; }`,
      'if ((shaping.valuesLeft -= list.length) < 0) shaping.checkpoint();',
      'const result = new Array(list.length);',
      'for (let index = 0; index < list.length; index++) {',
      '  let item = list[index];',
    );
    writeField(code, { value: 'item', key: 'index', type: itemType, selected, coordinate });
    code.add('  result[index] = item;', '}');
    return code.toFunction(`shape_list_${coordinate.replace('.', '_')}`, ['list', 'shaping'], 'result');
  };

  const writeComposite = (type: GraphQLNamedType, selected: readonly SelectedField[], coordinate: string): Complete => {
    const from = subselectionsOf(selected);
    const report = createErrorReporter(coordinate);
    const ofType = (typename: string) => objectOf(typename, collectFields(schema, typename, from, fragments));
    if (isObjectType(type)) {
      const complete = ofType(type.name);
      return (value, shaping) => {
        if (typeof value === 'object' && !Array.isArray(value)) return complete(value, shaping);
        report.invalidValue(shaping);
        return undefined;
      };
    }
    // Generated when the first object of a type arrives: most types never occur.
    const byType = new Map<unknown, Complete>();
    return (value, shaping) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        report.invalidValue(shaping);
        return undefined;
      }
      // A subgraph with `@interfaceObject` does not know the concrete types.
      const typename = (value as Data)['__typename'] ?? type.name;
      const cached = byType.get(typename);
      if (cached) return cached(value, shaping);
      const runtime = typeof typename === 'string' ? schema.getType(typename) : undefined;
      if (!isCompositeType(runtime) || (isObjectType(runtime) && !isOfType(schema, runtime.name, type.name))) {
        report.invalidValue(shaping);
        return undefined;
      }
      const complete = isObjectType(runtime)
        ? ofType(runtime.name)
        : writeInterfaceObject(runtime.name, selected, ofType);
      byType.set(typename, complete);
      return complete(value, shaping);
    };
  };

  /** Completes objects of which only the interface is known. Fails if any selection depends on the concrete type. */
  const writeInterfaceObject = (
    typename: string,
    selected: readonly SelectedField[],
    ofType: (typename: string) => Complete,
  ): Complete => {
    const typed = findTypeDependent(schema, typename, subselectionsOf(selected), fragments);
    const complete = ofType(typename);
    return (value, shaping) => {
      if (!isSelected(typed, shaping.variables)) return complete(value, shaping);
      const failure = getOwn(value as Data, TYPE_FAILURE);
      const errors = failure instanceof Failure ? failure.forDependent().errorsAt('__typename') : [];
      shaping.errors.push(...(errors.length > 0 ? errors.map((error) => ({ ...error, path: [] })) : [UNKNOWN_TYPE]));
      return undefined;
    };
  };

  return {
    ofObject: (typename, selectionSet) => {
      const type = schema.getType(typename);
      if (!isCompositeType(type)) throw new Error(`The schema has no object type ${typename}.`);
      // In place of a field that returns the object.
      const node: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: typename }, selectionSet };
      const complete = writeComposite(type, [{ node, conditions: [] }], typename);
      return (data, shaping) => (complete(data, shaping) ?? null) as Data | null;
    },
  };
};

const isStringLike = ({ name }: GraphQLLeafType): boolean => name === 'String' || name === 'ID';

/** Counts a long string as one value per 128 characters: the same entity can appear at thousands of paths. */
const writeLongText = (value: string): string =>
  `else if (${value}.length > 256 && (shaping.valuesLeft -= ${value}.length >> 7) < 0) shaping.checkpoint();`;

const writeCondition = (selected: readonly SelectedField[]): string => {
  const all = selected.map(({ conditions }) =>
    conditions.length === 0 ? 'true' : conditions.map(writeComparison).join(' && '),
  );
  return all.includes('true') ? 'true' : all.join(' || ');
};

const writeComparison = ({ variable, value }: Condition): string =>
  `shaping.variables[${JSON.stringify(variable)}] === ${value}`;

const INVALID = { code: 'UPSTREAM_BAD_RESPONSE' };

/** Creates functions that report values that the schema does not allow. `coordinate` is e.g. `Product.name`. */
const createErrorReporter = (coordinate: string) => ({
  nullValue: (shaping: Shaping, key: string | number) =>
    shaping.errors.push({
      message: `No value was returned for ${coordinate}, which cannot be null.`,
      extensions: INVALID,
      path: [key],
    }),
  invalidValue: (shaping: Shaping, ...path: (string | number)[]) =>
    shaping.errors.push({ message: `The value of ${coordinate} does not match its type.`, extensions: INVALID, path }),
});

const UNKNOWN_TYPE: FetchError = {
  message: 'No service returned the concrete type of this object.',
  extensions: INVALID,
  path: [],
};

/** Reports a failure's errors and returns their number. A failure has none if the value does not exist. */
const pushFailure = (shaping: Shaping, failure: Failure, key: string | number): number => {
  const errors = failure.errorsAt(key);
  shaping.errors.push(...errors);
  return errors.length;
};

const prefix = (shaping: Shaping, from: number, key: string | number): void => {
  for (let index = from; index < shaping.errors.length; index++) {
    const error = shaping.errors[index] as FetchError;
    shaping.errors[index] = { ...error, path: [key, ...error.path] };
  }
};
