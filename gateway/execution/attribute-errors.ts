import { type Data, getOwn, isData, setOwn } from './data.ts';
import { Failure } from './failure.ts';
import type { SelectionTree, TreeField } from './selection-tree.ts';
import { isSelected } from './selections.ts';
import type { SubgraphError } from './subgraph-request.ts';

export type AttributeOptions = {
  /** The selections of the request. */
  readonly tree: SelectionTree;
  /** Returns whether a root field is a list of entities. */
  readonly isEntityList: (name: string) => boolean;
  readonly variables: Readonly<Record<string, unknown>>;
};

/**
 * Replaces the nulls in a subgraph's response with the errors that caused them. Returns the errors that caused no null.
 *
 * An error belongs to the null at the end of its path, or to the null that propagated up from there. An error without a path,
 * or with a path that the response cannot have, belongs to every null root field or null entity that no other error explains.
 */
export const attributeErrors = (
  data: Data,
  errors: readonly SubgraphError[],
  options: AttributeOptions,
): SubgraphError[] => {
  const unattributed: SubgraphError[] = [];
  const pathless: SubgraphError[] = [];
  for (const error of errors) {
    const result = attributeError(data, error, options);
    if (result === 'pathless') pathless.push(error);
    else if (result === 'unattributed') unattributed.push(error);
  }
  return pathless.length > 0 && !attributeToNulls(data, pathless, options)
    ? [...unattributed, ...pathless]
    : unattributed;
};

const attributeError = (
  data: Data,
  error: SubgraphError,
  { tree: root, isEntityList, variables }: AttributeOptions,
): 'attributed' | 'unattributed' | 'pathless' => {
  const { message, extensions = {}, path = [] } = error;
  let container: unknown = data;
  let tree: SelectionTree | undefined = root;
  for (const [depth, key] of path.entries()) {
    const field: TreeField | undefined = typeof key === 'string' ? tree?.fieldsOf().get(key) : undefined;
    const isInResponse = Array.isArray(container)
      ? typeof key === 'number' && key in container
      : isData(container) && field !== undefined && isSelected(field.selected, variables);
    if (!isInResponse)
      return depth === 0 || (depth === 1 && isEntityList(String(path[0]))) ? 'pathless' : 'unattributed';
    if (field) tree = field.nested;
    const value: unknown = Array.isArray(container) ? container[Number(key)] : getOwn(container as Data, String(key));
    const reason = { message, extensions, path: path.slice(depth + 1) };
    if (value instanceof Failure) {
      value.add(reason);
      return 'attributed';
    }
    if (value === null || value === undefined) {
      const isParentRelative = depth === 1 && isEntityList(String(path[0]));
      setFailure(
        container as Data | unknown[],
        key,
        new Failure([reason], { isParentRelative: isParentRelative }),
        tree,
      );
      return 'attributed';
    }
    container = value;
  }
  return path.length === 0 ? 'pathless' : 'unattributed';
};

const setFailure = (
  container: Data | unknown[],
  key: string | number,
  failure: Failure,
  nested: SelectionTree | undefined,
): void => {
  const located = nested ? failure.withMissing({ tree: nested, path: [] }) : failure;
  if (Array.isArray(container)) container[Number(key)] = located;
  else setOwn(container, String(key), located);
};

/** Attributes errors without a usable path to all null root fields and entities. Returns false if there are none. */
const attributeToNulls = (
  data: Data,
  errors: readonly SubgraphError[],
  { tree, isEntityList, variables }: AttributeOptions,
): boolean => {
  const failure = new Failure(errors.map(({ message, extensions = {} }) => ({ message, extensions, path: [] })));
  let isAttributed = false;
  const replaceNull = (container: Data | unknown[], key: string | number, value: unknown, nested?: SelectionTree) => {
    if (value !== null && value !== undefined) return;
    setFailure(container, key, failure, nested);
    isAttributed = true;
  };
  for (const [name, { selected, nested }] of tree.fieldsOf()) {
    if (!isSelected(selected, variables)) continue;
    const value = getOwn(data, name);
    if (!isEntityList(name) || !Array.isArray(value)) replaceNull(data, name, value, nested);
    else for (const [index, entity] of value.entries()) replaceNull(value, index, entity, nested);
  }
  return isAttributed;
};
