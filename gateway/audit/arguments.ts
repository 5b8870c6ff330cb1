import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  getOperationAST,
  isInputObjectType,
  Kind,
  type SelectionSetNode,
  valueFromASTUntyped,
} from 'graphql';
import type { ClientOperation } from '../execution/client-operation.ts';
import { readCondition } from '../execution/conditions.ts';
import { fragmentMap, responseName } from '../execution/selections.ts';

/** A recorded value of an argument: a scalar or an enum value, or a list of them. */
export type ArgumentValue = string | number | boolean | null | readonly ArgumentValue[];

/** A root field of a mutation, with the arguments that may be recorded by their coordinates below the field. */
export type AuditedField = {
  /** The name in the response. */
  readonly key: string;
  readonly name: string;
  readonly arguments: Readonly<Record<string, ArgumentValue>>;
};

const MAX_CHARS = 200;
const MAX_ITEMS = 20;

/**
 * Creates a function that returns the root fields that a mutation executes, with the arguments at these coordinates, such as
 * `refundPayment.input.paymentId`, as the client sent them. Objects are never recorded, only the values in them that a
 * coordinate names.
 */
export const createFieldReader = (coordinates: readonly string[]) => {
  const paths = new Map<string, string[][]>();
  for (const coordinate of coordinates) {
    const [field = '', ...path] = coordinate.split('.');
    paths.set(field, [...(paths.get(field) ?? []), path]);
  }

  const read = (node: FieldNode, variables: Readonly<Record<string, unknown>>): AuditedField => {
    const name = node.name.value;
    const recorded: Record<string, ArgumentValue> = {};
    for (const path of paths.get(name) ?? []) {
      const argument = node.arguments?.find((one) => one.name.value === path[0]);
      const value = argument && pick(valueFromASTUntyped(argument.value, variables), path.slice(1));
      if (value !== undefined) recorded[path.join('.')] = value;
    }
    return { key: responseName(node), name, arguments: recorded };
  };

  return (
    { document, operationName }: Pick<ClientOperation, 'document' | 'operationName'>,
    variables: Readonly<Record<string, unknown>>,
  ): AuditedField[] => {
    const fields = new Map<string, AuditedField>();
    const fragments = fragmentMap(
      document.definitions.filter((one): one is FragmentDefinitionNode => one.kind === Kind.FRAGMENT_DEFINITION),
    );
    const collect = ({ selections }: SelectionSetNode): void => {
      for (const selection of selections) {
        const isIncluded = (selection.directives ?? []).every((directive) => {
          const condition = readCondition(directive);
          return !condition || valueFromASTUntyped(condition.value, variables) === condition.selects;
        });
        if (!isIncluded) continue;
        if (selection.kind === Kind.FIELD) {
          const key = responseName(selection);
          // Meta fields change nothing. Fields of one key have the same arguments.
          if (!selection.name.value.startsWith('__') && !fields.has(key)) fields.set(key, read(selection, variables));
          continue;
        }
        const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
        if (inner) collect(inner.selectionSet);
      }
    };
    const operation = getOperationAST(document, operationName);
    if (operation) collect(operation.selectionSet);
    return [...fields.values()];
  };
};

/** Returns the scalars at a path of an input value. Undefined if there are none, or if one could be an e-mail address. */
const pick = (value: unknown, [name, ...rest]: readonly string[]): ArgumentValue | undefined => {
  if (Array.isArray(value)) {
    const path = name === undefined ? [] : [name, ...rest];
    return value.slice(0, MAX_ITEMS).map((item) => pick(item, path) ?? null);
  }
  if (name !== undefined) {
    return typeof value === 'object' && value !== null ? pick(Reflect.get(value, name), rest) : undefined;
  }
  if (typeof value === 'string') return value.includes('@') ? undefined : value.slice(0, MAX_CHARS);
  return typeof value === 'number' || typeof value === 'boolean' || value === null ? value : undefined;
};

/** Returns the coordinates that are no scalar or enum argument of a mutation of the schema. */
export const findUnknownArguments = (schema: GraphQLSchema, coordinates: readonly string[]): string[] =>
  coordinates.filter((coordinate) => {
    const [field = '', argument, ...path] = coordinate.split('.');
    const found = schema
      .getMutationType()
      ?.getFields()
      [field]?.args.find(({ name }) => name === argument);
    let type: GraphQLInputType | undefined = found?.type;
    for (const name of path) {
      const named: GraphQLInputType | undefined = type && getNamedType(type);
      type = isInputObjectType(named) ? named.getFields()[name]?.type : undefined;
    }
    return !type || isInputObjectType(getNamedType(type));
  });
