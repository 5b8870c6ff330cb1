/** Maximum number of entries of a kind in a sandbox, which may run for days. Tests and users only need recent ones. */
export const MAX_ENTRIES = 10_000;

/** Sets an entry and removes the oldest ones beyond `max`. */
export const setBounded = <Key, Value>(map: Map<Key, Value>, key: Key, value: Value, max = MAX_ENTRIES): void => {
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= max) break;
    map.delete(oldest);
  }
};
