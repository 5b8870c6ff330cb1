import { Kind, type SelectionSetNode } from 'graphql';
import { responseName } from './selections.ts';
import type { Fetch, FetchTarget, RequiredSelection, Step } from './steps.ts';
import { TYPE_CONDITION_PREFIX } from './steps.ts';
import { intersect, type TypeSet, type TypeSets } from './type-sets.ts';

/** A field of the data without fields of its own: its path, without list items, and the types of the object that has it. */
export type Leaf = { readonly path: string; readonly types: TypeSet };

/** A fetch of a plan, with the fetches that have been answered when it is sent. */
export type PlannedFetch = { readonly fetch: Fetch; readonly before: ReadonlySet<Fetch> };

/** Returns the fetches of a plan in their order. */
export const plannedFetches = (step: Step, before: ReadonlySet<Fetch> = new Set()): PlannedFetch[] => {
  if (step.kind === 'fetch') return [{ fetch: step.fetch, before }];
  if (step.kind === 'parallel') return step.steps.flatMap((one) => plannedFetches(one, before));
  if (step.kind !== 'sequence') return [];
  let earlier = before;
  return step.steps.flatMap((one) => {
    const found = plannedFetches(one, earlier);
    earlier = new Set([...earlier, ...found.map(({ fetch }) => fetch)]);
    return found;
  });
};

export const joinPath = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

/** Returns the path of a target's objects, without list items and type conditions. */
export const pathOfLocation = ({ path }: FetchTarget['locations'][number]): string =>
  path.filter((step) => step !== '@' && !step.startsWith(TYPE_CONDITION_PREFIX)).join('.');

/** Returns the names that fields have in the data, by the aliases that the planner gave them. */
export const dataNamesOf = ({ renames }: FetchTarget): ReadonlyMap<string | undefined, string> =>
  new Map(renames.map(({ path, name }) => [path.at(-1), name]));

/** Returns the types of the objects that a target's selections start from. Entities are of the types in its fragments. */
export const typesOfTarget = (sets: TypeSets, { entities, selectionSet }: FetchTarget): TypeSet => {
  if (!entities) return sets.root;
  return new Set(
    selectionSet.selections.flatMap((one) =>
      one.kind === Kind.INLINE_FRAGMENT && one.typeCondition ? [...sets.of(one.typeCondition.name.value)] : [],
    ),
  );
};

/** Returns the leaves that a fetch adds to the data. */
export const writtenLeaves = (sets: TypeSets, fetch: Fetch): Leaf[] =>
  fetch.targets.flatMap((target) => {
    const names = dataNamesOf(target);
    const visit = ({ selections }: SelectionSetNode, types: TypeSet, path: string): Leaf[] =>
      selections.flatMap((selection): Leaf[] => {
        if (selection.kind === Kind.FRAGMENT_SPREAD) return [];
        if (selection.kind === Kind.INLINE_FRAGMENT) {
          const condition = selection.typeCondition?.name.value;
          const inner = condition === undefined ? types : intersect(types, sets.of(condition));
          return visit(selection.selectionSet, inner, path);
        }
        const name = responseName(selection);
        const at = joinPath(path, names.get(name) ?? name);
        const inner = selection.selectionSet && sets.ofField(types, selection.name.value);
        return selection.selectionSet && inner ? visit(selection.selectionSet, inner, at) : [{ path: at, types }];
      });
    return target.locations.flatMap((location) =>
      visit(target.selectionSet, typesOfTarget(sets, target), pathOfLocation(location)),
    );
  });

/** Returns the leaves that a fetch needs to be sent, and the paths of objects of which it needs no field. */
export const readLeaves = (sets: TypeSets, fetch: Fetch) => {
  const leaves: Leaf[] = [];
  const objects: string[] = [];
  for (const target of fetch.targets) {
    const types = typesOfTarget(sets, target);
    for (const location of target.locations) {
      const path = pathOfLocation(location);
      if (!location.requirement) {
        if (path !== '') objects.push(path);
        continue;
      }
      const visit = (selections: readonly RequiredSelection[], within: TypeSet, at: string): void => {
        for (const selection of selections) {
          if (selection.kind === 'InlineFragment') {
            const condition = selection.typeCondition;
            visit(selection.selections, condition === undefined ? within : intersect(within, sets.of(condition)), at);
            continue;
          }
          const inner = joinPath(at, selection.alias ?? selection.name);
          const nested = selection.selections && sets.ofField(within, selection.name);
          if (selection.selections && nested) visit(selection.selections, nested, inner);
          else leaves.push({ path: inner, types: within });
        }
      };
      visit(location.requirement.selections, allTypesIn(sets, location.requirement.selections, types), path);
    }
  }
  return { leaves, objects };
};

/** A subgraph with `@interfaceObject` can have selections on the interface where its representations are of object types. */
const allTypesIn = (sets: TypeSets, selections: readonly RequiredSelection[], types: TypeSet): TypeSet =>
  new Set([
    ...types,
    ...selections.flatMap((one) =>
      one.kind === 'InlineFragment' && one.typeCondition !== undefined ? [...sets.of(one.typeCondition)] : [],
    ),
  ]);
