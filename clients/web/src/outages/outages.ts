import { ApolloLink, CombinedGraphQLErrors, makeVar } from '@apollo/client';
import { useReactiveVar } from '@apollo/client/react';
import { type GraphQLFormattedError, OperationTypeNode } from 'graphql';
import { catchError, map, throwError } from 'rxjs';
import { OUTAGE_CODES } from '../errors.ts';

/** A part of an answer that is past its time. */
type StaleNote = {
  readonly subgraph: string;
  readonly ageMs: number;
  /** `REFRESHING` where all is well and the next answer is newer, otherwise the code of the failure. */
  readonly reason: string;
};

type Extensions = { readonly tributary?: { readonly stale?: readonly StaleNote[] } };

/** A provider that is down, as one answer shows it. */
export type Outage = {
  /** The subgraph, or `gateway` where there was no answer at all. */
  readonly subgraph: string;
  readonly code: string;
  /** When the oldest value that is shown instead was read, in milliseconds since 1970; undefined where none is. */
  readonly shownFrom: number | undefined;
  /** Whether something is missing, as there was no older value. */
  readonly isMissing: boolean;
  /** The operations that show it. */
  readonly operations: readonly string[];
};

/** The outages in the latest response to each operation. */
const byOperation = makeVar<Readonly<Record<string, readonly Outage[]>>>({});

/** Loading a customer again outdates what these operations, which load further pages, reported. */
const FURTHER_PAGES = ['MorePayments', 'MoreDeals'];

const note = (operation: string, outages: readonly Outage[]): void => {
  const before = byOperation();
  const outdated = operation === 'CustomerOverview' ? FURTHER_PAGES : [];
  if (outages.length === 0 && ![operation, ...outdated].some((name) => before[name]?.length)) return;
  byOperation({ ...before, ...Object.fromEntries(outdated.map((name) => [name, []])), [operation]: outages });
};

/** Forgets what the customer that was open has shown. */
export const forgetCustomerOutages = (): void => {
  const { CustomerOverview: _, MorePayments: __, MoreDeals: ___, ...others } = byOperation();
  byOperation(others);
};

/** Notes which providers are down: Apollo Client gives components data and errors, but not what stands beside them. */
export const outageLink = new ApolloLink((operation, forward) => {
  const { operationName = '', operationType } = operation;
  // A write says for itself how it went.
  if (operationType === OperationTypeNode.MUTATION) return forward(operation);
  return forward(operation).pipe(
    map((result) => {
      const { tributary } = (result.extensions ?? {}) as Extensions;
      note(operationName, toOutages(operationName, tributary?.stale ?? [], result.errors ?? []));
      return result;
    }),
    catchError((error: unknown) => {
      const isAnswer = CombinedGraphQLErrors.is(error);
      const down = { subgraph: 'gateway', code: '', shownFrom: undefined, isMissing: true };
      if (!isAnswer) note(operationName, [{ ...down, operations: [operationName] }]);
      return throwError(() => error);
    }),
  );
});

const toOutages = (
  operation: string,
  stale: readonly StaleNote[],
  errors: readonly GraphQLFormattedError[],
): readonly Outage[] => {
  const now = Date.now();
  const fromStale = stale
    .filter(({ reason }) => reason !== 'REFRESHING')
    .map(({ subgraph, reason, ageMs }) => ({
      subgraph,
      code: reason,
      shownFrom: now - ageMs,
      isMissing: false,
      operations: [operation],
    }));
  const fromErrors = errors.flatMap(({ extensions = {} }) => {
    const { code, serviceName } = extensions;
    if (typeof code !== 'string' || typeof serviceName !== 'string' || !OUTAGE_CODES.has(code)) return [];
    return [{ subgraph: serviceName, code, shownFrom: undefined, isMissing: true, operations: [operation] }];
  });
  return mergeOutages([...fromStale, ...fromErrors]);
};

/** One outage for each subgraph, in the order of the subgraphs' names. */
const mergeOutages = (outages: readonly Outage[]): readonly Outage[] => {
  const merged = new Map<string, Outage>();
  for (const outage of outages) {
    const before = merged.get(outage.subgraph);
    merged.set(outage.subgraph, before ? merge(before, outage) : outage);
  }
  return [...merged.values()].sort((a, b) => a.subgraph.localeCompare(b.subgraph));
};

const merge = (one: Outage, other: Outage): Outage => ({
  ...one,
  shownFrom:
    one.shownFrom === undefined || other.shownFrom === undefined
      ? (one.shownFrom ?? other.shownFrom)
      : Math.min(one.shownFrom, other.shownFrom),
  isMissing: one.isMissing || other.isMissing,
  operations: [...new Set([...one.operations, ...other.operations])],
});

/** The providers that are down, each once. */
export const useOutages = (): readonly Outage[] => mergeOutages(Object.values(useReactiveVar(byOperation)).flat());
