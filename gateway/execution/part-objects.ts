import type { GraphQLSchema } from 'graphql';
import { type Data, deepCopy, getOwn, isData, setOwn } from './data.ts';
import type { PartStep } from './deferred-parts.ts';
import type { Path } from './objects-at.ts';
import { isOfType } from './types.ts';

/** An object of the response that a deferred part adds fields to. */
export type PartObject = {
  /** The object as it was fetched, and as it is delivered. */
  readonly fetched: Data;
  readonly delivered: Data;
  /** Its path, by the names of the fetched data and by the client's. */
  readonly path: Path;
  readonly clientPath: Path;
};

/** Finds the objects at the end of a deferred part's path. An object that is null in the response has none below it. */
export const findPartObjects = (
  schema: GraphQLSchema,
  start: readonly PartObject[],
  path: readonly PartStep[],
  clientName: (name: string) => string,
): readonly PartObject[] => {
  let found = start;
  for (const step of path) {
    found =
      step.kind === 'field'
        ? found.flatMap((object) => fieldOf(object, step.name, clientName(step.name)))
        : found.filter(({ fetched: { __typename: typename } }) =>
            // Without a name, the object is of the type that its field has.
            isOfType(schema, typeof typename === 'string' ? typename : step.typename, step.condition),
          );
  }
  return found;
};

const fieldOf = ({ fetched, delivered, path, clientPath }: PartObject, name: string, clientName: string) =>
  objectsOf(getOwn(fetched, name), getOwn(delivered, clientName), [...path, name], [...clientPath, clientName]);

const objectsOf = (fetched: unknown, delivered: unknown, path: Path, clientPath: Path): PartObject[] => {
  if (Array.isArray(fetched) && Array.isArray(delivered)) {
    return fetched.flatMap((item, index) =>
      objectsOf(item, delivered[index], [...path, index], [...clientPath, index]),
    );
  }
  return isData(fetched) && isData(delivered) ? [{ fetched, delivered, path, clientPath }] : [];
};

/**
 * Adds the data of a deferred part to the object that it is of, as clients do. What has been delivered as null stays null, in the data of
 * the part also: a null can have propagated from a field that is not in the part.
 */
export const addDelivered = (object: Data, data: Data): void => {
  for (const name of Object.keys(data)) {
    const combined = combine(getOwn(object, name), data[name]);
    setOwn(object, name, combined);
    if (combined === null) setOwn(data, name, null);
  }
};

const combine = (existing: unknown, added: unknown): unknown => {
  if (existing === null) return null;
  if (isData(existing) && isData(added)) addDelivered(existing, added);
  else if (Array.isArray(existing) && Array.isArray(added) && existing.length === added.length) {
    for (const [index, item] of added.entries()) {
      existing[index] = combine(existing[index], item);
      if (existing[index] === null) added[index] = null;
    }
  } else return deepCopy(added);
  return existing;
};
