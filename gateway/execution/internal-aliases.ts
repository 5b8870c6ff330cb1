import { type DocumentNode, type FieldNode, Kind, visit } from 'graphql';
import { isInherited } from './code.ts';
import { printCall } from './requirements.ts';
import { responseName } from './selections.ts';
import type { SelectedCalls } from './split.ts';

/** A name that no client gives, because GraphQL keeps such for itself. */
export const ownName = (name: string): string => `__own_${name}`;

/**
 * Gives fields names of their own where the planner may put something else under theirs, or where every object has one of theirs
 * already. `names` is told what the client calls them.
 */
export const giveOwnNames = (
  document: DocumentNode,
  plannerNames: ReadonlySet<string>,
  selected: SelectedCalls,
  names: Map<string, string>,
): DocumentNode => {
  const taken = new Map<string, Set<string>>();
  for (const [name, call] of [...selected.values()].flatMap((required) => [...required])) {
    taken.set(name, (taken.get(name) ?? new Set()).add(call));
  }
  return visit(document, {
    Field: (node) => {
      const name = responseName(node);
      const required = taken.get(name);
      const isTheSame = required === undefined || (required.size === 1 && required.has(printCall(node)));
      const isOther = name !== node.name.value && plannerNames.has(name);
      if (isTheSame && !isOther && !isInherited(name)) return undefined;
      const other = ownName(name);
      names.set(other, names.get(name) ?? name);
      return withAlias(node, other);
    },
  });
};

export const withAlias = (node: FieldNode, alias: string): FieldNode => ({
  ...node,
  alias: { kind: Kind.NAME, value: alias },
});
