/** What events change: for each read of a provider, the invalidated scopes, or all. */
export type AnyChanges = Readonly<Record<string, 'all' | readonly unknown[] | undefined>>;

/** Merges the changes of several events, each scope once. */
export const mergeChanges = (all: readonly AnyChanges[]): AnyChanges => {
  const merged = new Map<string, 'all' | Map<string, unknown>>();
  for (const changes of all) {
    for (const [read, scopes] of Object.entries(changes)) {
      const known = merged.get(read) ?? new Map<string, unknown>();
      if (scopes === undefined || known === 'all') continue;
      if (scopes === 'all') merged.set(read, 'all');
      else {
        for (const scope of scopes) known.set(JSON.stringify(scope), scope);
        merged.set(read, known);
      }
    }
  }
  return Object.fromEntries(
    [...merged].map(([read, scopes]) => [read, scopes === 'all' ? scopes : [...scopes.values()]]),
  );
};
