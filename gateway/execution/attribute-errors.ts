import { type Data, isData, own, setOwn } from './data.ts';
import { Failure } from './failure.ts';
import type { SelectionTree, TreeField } from './selection-tree.ts';
import { isSelected } from './selections.ts';
import type { SubgraphError } from './subgraph-request.ts';

export type PlaceOptions = {
  /** What the request selects. */
  readonly tree: SelectionTree;
  /** Whether a root field is a list of entities. */
  readonly isEntityList: (name: string) => boolean;
  readonly variables: Readonly<Record<string, unknown>>;
};

/**
 * Replaces the nulls of an answer with the errors that explain them: at the end of an error's path, or at the null that
 * came up from there. An error without a path, or with one that the answer cannot have, explains every null of a root
 * field or of an entity that no other error explains. Returns the errors that explain nothing.
 */
export const placeErrors = (data: Data, errors: readonly SubgraphError[], options: PlaceOptions): SubgraphError[] => {
  const unplaced: SubgraphError[] = [];
  const pathless: SubgraphError[] = [];
  for (const error of errors) {
    const result = placeError(data, error, options);
    if (result === 'astray') pathless.push(error);
    else if (result === 'unplaced') unplaced.push(error);
  }
  return pathless.length > 0 && !placeAtNulls(data, pathless, options) ? [...unplaced, ...pathless] : unplaced;
};

const placeError = (
  data: Data,
  error: SubgraphError,
  { tree: root, isEntityList, variables }: PlaceOptions,
): 'placed' | 'unplaced' | 'astray' => {
  const { message, extensions = {}, path = [] } = error;
  let container: unknown = data;
  let tree: SelectionTree | undefined = root;
  for (const [depth, key] of path.entries()) {
    const field: TreeField | undefined = typeof key === 'string' ? tree?.fieldsOf().get(key) : undefined;
    const isInAnswer = Array.isArray(container)
      ? typeof key === 'number' && key in container
      : isData(container) && field !== undefined && isSelected(field.selected, variables);
    if (!isInAnswer) return depth === 0 || (depth === 1 && isEntityList(String(path[0]))) ? 'astray' : 'unplaced';
    if (field) tree = field.nested;
    const value: unknown = Array.isArray(container) ? container[Number(key)] : own(container as Data, String(key));
    const reason = { message, extensions, path: path.slice(depth + 1) };
    if (value instanceof Failure) {
      value.add(reason);
      return 'placed';
    }
    if (value === null || value === undefined) {
      const isOfObject = depth === 1 && isEntityList(String(path[0]));
      put(container as Data | unknown[], key, new Failure([reason], { isOfObject }), tree);
      return 'placed';
    }
    container = value;
  }
  return path.length === 0 ? 'astray' : 'unplaced';
};

const put = (
  container: Data | unknown[],
  key: string | number,
  failure: Failure,
  nested: SelectionTree | undefined,
): void => {
  const whole = nested ? failure.withLost({ tree: nested, path: [] }) : failure;
  if (Array.isArray(container)) container[Number(key)] = whole;
  else setOwn(container, String(key), whole);
};

/** Puts errors without a place of their own at the nulls of root fields and entities. False where there are none. */
const placeAtNulls = (
  data: Data,
  errors: readonly SubgraphError[],
  { tree, isEntityList, variables }: PlaceOptions,
): boolean => {
  const failure = new Failure(errors.map(({ message, extensions = {} }) => ({ message, extensions, path: [] })));
  let isPlaced = false;
  const putAtNull = (container: Data | unknown[], key: string | number, value: unknown, nested?: SelectionTree) => {
    if (value !== null && value !== undefined) return;
    put(container, key, failure, nested);
    isPlaced = true;
  };
  for (const [name, { selected, nested }] of tree.fieldsOf()) {
    if (!isSelected(selected, variables)) continue;
    const value = own(data, name);
    if (!isEntityList(name) || !Array.isArray(value)) putAtNull(data, name, value, nested);
    else for (const [index, entity] of value.entries()) putAtNull(value, index, entity, nested);
  }
  return isPlaced;
};
