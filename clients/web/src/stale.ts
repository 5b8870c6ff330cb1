import { ApolloLink, makeVar } from '@apollo/client';
import { useReactiveVar } from '@apollo/client/react';
import { map } from 'rxjs';

/** A part of an answer that is past its time. */
export type StaleNote = {
  readonly path: readonly (string | number)[];
  readonly provider: string;
  readonly ageMs: number;
  /** `REFRESHING` where all is well and the next answer is newer, otherwise the code of what is wrong. */
  readonly reason: string;
};

type Extensions = { readonly tributary?: { readonly stale?: readonly StaleNote[] } };

const NONE: readonly StaleNote[] = [];

/** What the last answer to each operation had that is stale. */
const notes = makeVar<Readonly<Record<string, readonly StaleNote[]>>>({});

/** Apollo Client gives components data and errors; what is said beside them is kept here. */
export const freshnessLink = new ApolloLink((operation, forward) =>
  forward(operation).pipe(
    map((result) => {
      const { tributary } = (result.extensions ?? {}) as Extensions;
      const stale = tributary?.stale ?? NONE;
      const { operationName = '' } = operation;
      if (stale.length > 0 || notes()[operationName]) notes({ ...notes(), [operationName]: stale });
      return result;
    }),
  ),
);

/** What the last answer to an operation had that is stale. */
export const useStale = (operationName: string): readonly StaleNote[] => useReactiveVar(notes)[operationName] ?? NONE;
