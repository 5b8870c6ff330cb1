import type { Data } from './data.ts';
import type { Representations } from './subgraph-request.ts';

/**
 * Sorts representations by their text, so that requests for the same entities are the same text in whatever order the
 * entities were found. `positions` are changed to the places that the representations have then.
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
  const places: number[] = [];
  for (const [place, index] of order.entries()) places[index] = place;
  for (const own of positions) for (let at = 0; at < own.length; at++) own[at] = places[own[at] as number] as number;
  return {
    variable,
    texts: order.map((index) => texts[index] as string),
    values: values.length > 0 ? order.map((index) => values[index] as Data) : values,
  };
};
