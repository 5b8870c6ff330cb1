/** How many entries of a kind a sandbox keeps. It may run for days; what is asserted or looked at is recent. */
export const MAX_KEPT = 10_000;

/** Sets an entry and, beyond `max`, removes the oldest. */
export const keep = <Key, Value>(map: Map<Key, Value>, key: Key, value: Value, max = MAX_KEPT): void => {
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= max) break;
    map.delete(oldest);
  }
};
