import { type DocumentNode, type FieldNode, Kind, visit } from 'graphql';
import { isInherited } from './code.ts';
import { printCall } from './requirements.ts';
import { responseName } from './selections.ts';
import type { SelectedCalls } from './split.ts';

/** Returns an alias that no client uses: GraphQL reserves names that start with two underscores. */
export const internalAlias = (name: string): string => `__own_${name}`;

/**
 * Gives internal aliases to fields whose response name the planner may use for another field, or that every JavaScript object
 * inherits. `names` receives the client's name of each new alias.
 */
export const assignInternalAliases = (
  document: DocumentNode,
  plannerNames: ReadonlySet<string>,
  selected: SelectedCalls,
  names: Map<string, string>,
): DocumentNode => {
  const requiredCalls = new Map<string, Set<string>>();
  for (const [name, call] of [...selected.values()].flatMap((required) => [...required])) {
    requiredCalls.set(name, (requiredCalls.get(name) ?? new Set()).add(call));
  }
  return visit(document, {
    Field: (node) => {
      const name = responseName(node);
      const required = requiredCalls.get(name);
      const isSameCall = required === undefined || (required.size === 1 && required.has(printCall(node)));
      const aliasesPlannerName = name !== node.name.value && plannerNames.has(name);
      if (isSameCall && !aliasesPlannerName && !isInherited(name)) return undefined;
      const alias = internalAlias(name);
      names.set(alias, names.get(name) ?? name);
      return withAlias(node, alias);
    },
  });
};

export const withAlias = (node: FieldNode, alias: string): FieldNode => ({
  ...node,
  alias: { kind: Kind.NAME, value: alias },
});
