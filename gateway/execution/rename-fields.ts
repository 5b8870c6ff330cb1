import type { GraphQLSchema } from 'graphql';
import { getOwn, isData, setOwn } from './data.ts';
import { type FieldRename, TYPE_CONDITION_PREFIX } from './steps.ts';
import { isOfType } from './types.ts';

/** Restores the names of fields that the planner gave an alias. */
export const renameFields = (schema: GraphQLSchema, data: unknown, renamed: readonly FieldRename[]): void => {
  for (const { path, name } of renamed) renameAt(schema, data, path, name);
};

const renameAt = (schema: GraphQLSchema, value: unknown, path: readonly string[], name: string): void => {
  if (Array.isArray(value)) {
    for (const item of value) renameAt(schema, item, path, name);
    return;
  }
  const [step = '', ...rest] = path;
  if (!isData(value)) return;
  if (step.startsWith(TYPE_CONDITION_PREFIX)) {
    const typename = value['__typename'];
    if (typeof typename === 'string' && !isOfType(schema, typename, step.slice(TYPE_CONDITION_PREFIX.length))) return;
    renameAt(schema, value, rest, name);
  } else if (rest.length > 0) renameAt(schema, getOwn(value, step), rest, name);
  else if (getOwn(value, step) !== undefined) {
    setOwn(value, name, getOwn(value, step));
    delete value[step];
  }
};
