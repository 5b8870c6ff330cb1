/**
 * Maximum number of operations that are tracked separately. Operations are named in code and a provider has a few
 * dozen; a name with an id in it would otherwise make all per-operation state grow without bound.
 */
export const MAX_OPERATIONS = 1_000;
