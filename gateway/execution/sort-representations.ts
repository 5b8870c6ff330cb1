import type { Data } from './data.ts';
import type { Representations } from './subgraph-request.ts';

/**
 * Sorts representations by their text, so that requests for the same entities have the same text regardless of the order in
 * which they were found. Updates `positions` to the new indices.
 */
export const sortRepresentations = (
  variable: string,
  texts: string[],
  values: Data[],
  positions: number[][],
): Representations => {
  if (texts.length < 2) return { variable, texts, values };
  const order = texts
    .map((_text, index) => index)
    .sort((a, b) => ((texts[a] as string) < (texts[b] as string) ? -1 : 1));
  const newPositions: number[] = [];
  for (const [position, index] of order.entries()) newPositions[index] = position;
  for (const indices of positions)
    for (let at = 0; at < indices.length; at++) indices[at] = newPositions[indices[at] as number] as number;
  return {
    variable,
    texts: order.map((index) => texts[index] as string),
    values: values.length > 0 ? order.map((index) => values[index] as Data) : values,
  };
};
