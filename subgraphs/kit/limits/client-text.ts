/** Maximum number of characters of an error message that a client receives. */
const MAX_CHARS = 500;

/** Shortens a message that can contain text of a client or a subgraph, so that an error is never larger than its cause. */
export const toClientText = (message: string): string =>
  message.length <= MAX_CHARS ? message : `${message.slice(0, MAX_CHARS)}…`;
