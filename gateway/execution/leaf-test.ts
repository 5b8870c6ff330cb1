import { type GraphQLLeafType, isEnumType } from 'graphql';
import type { Code } from './code.ts';
import { Failure } from './failure.ts';

const MAX_INT = 2 ** 31 - 1;

/** Writes the expression that tests whether a subgraph's value is of a leaf type. Values are passed on unchanged. */
export const writeLeafTest = (code: Code, type: GraphQLLeafType, value: string): string => {
  if (isEnumType(type)) {
    const names = code.constant(new Set(type.getValues().map(({ name }) => name)));
    return `${names}.has(${value})`;
  }
  switch (type.name) {
    case 'String':
      return `typeof ${value} === 'string'`;
    case 'Boolean':
      return `typeof ${value} === 'boolean'`;
    case 'ID':
      return `typeof ${value} === 'string' || Number.isInteger(${value})`;
    case 'Float':
      return `typeof ${value} === 'number'`;
    case 'Int':
      return `Number.isInteger(${value}) && ${value} <= ${MAX_INT} && ${value} >= ${-MAX_INT - 1}`;
    default:
      return `${value} !== null && ${value} !== undefined && !(shaping.hasFailures && ${value} instanceof ${code.constant(Failure)})`;
  }
};
