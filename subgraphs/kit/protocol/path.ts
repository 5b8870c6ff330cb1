export type ResponsePath = readonly (string | number)[];

const MAX_STEPS = 128;

const isName = (step: unknown): boolean => typeof step === 'string' && /^[_A-Za-z]\w{0,255}$/.test(step);

const isIndex = (step: unknown): boolean => Number.isSafeInteger(step) && Number(step) >= 0;

/** Whether a value from a subgraph is a path in its response: names and list indices, at most `MAX_STEPS` of them. */
export const isResponsePath = (path: unknown): path is ResponsePath =>
  Array.isArray(path) &&
  path.length > 0 &&
  path.length <= MAX_STEPS &&
  path.every((step) => isName(step) || isIndex(step));
