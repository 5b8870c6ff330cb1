/** The supergraph cannot be served. The message gives the reason in one line. */
export class SupergraphError extends Error {
  override readonly name = 'SupergraphError';
}

const MAX_CAUSES = 3;
const MAX_CAUSE_LENGTH = 300;

/** Summarizes the messages of Apollo's libraries, each with its source location on extra lines, in one line. */
export const summarizeCauses = (causes: readonly { readonly message: string }[]): string => {
  const messages = causes.slice(0, MAX_CAUSES).map(({ message }) => {
    // Errors from extracting the subgraphs follow a preamble "this is either a bug, or the supergraph is corrupted".
    const [line = ''] = message.replace(/^[\s\S]*\nDetails:\n/, '').split(/\n\n|\n(?=GraphQL request)/);
    return line.replaceAll(/\s+/g, ' ').slice(0, MAX_CAUSE_LENGTH).replace(/\.$/, '');
  });
  if (causes.length > MAX_CAUSES) messages.push(`and ${causes.length - MAX_CAUSES} more`);
  return messages.join('; ');
};

export const toSupergraphError = (error: unknown): SupergraphError =>
  error instanceof SupergraphError
    ? error
    : new SupergraphError((error instanceof Error && summarizeCauses([error])) || 'it cannot be loaded', {
        cause: error,
      });
