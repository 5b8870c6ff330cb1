import type { GraphQLSchema } from 'graphql';
import { isData, own, setOwn } from './data.ts';
import { FRAGMENT, type Renamed } from './steps.ts';
import { isOfType } from './types.ts';

/** Gives fields the names back that the planner had to take from them. */
export const renameFields = (schema: GraphQLSchema, data: unknown, renamed: readonly Renamed[]): void => {
  for (const { path, name } of renamed) renameAt(schema, data, path, name);
};

const renameAt = (schema: GraphQLSchema, value: unknown, path: readonly string[], name: string): void => {
  if (Array.isArray(value)) {
    for (const item of value) renameAt(schema, item, path, name);
    return;
  }
  const [step = '', ...rest] = path;
  if (!isData(value)) return;
  if (step.startsWith(FRAGMENT)) {
    const typename = value['__typename'];
    if (typeof typename === 'string' && !isOfType(schema, typename, step.slice(FRAGMENT.length))) return;
    renameAt(schema, value, rest, name);
  } else if (rest.length > 0) renameAt(schema, own(value, step), rest, name);
  else if (own(value, step) !== undefined) {
    setOwn(value, name, own(value, step));
    delete value[step];
  }
};
