import { ApolloLink, CombinedGraphQLErrors, makeVar } from '@apollo/client';
import { useReactiveVar } from '@apollo/client/react';
import { type GraphQLFormattedError, OperationTypeNode } from 'graphql';
import { catchError, map, throwError } from 'rxjs';
import { OUTAGE_CODES } from '../errors.ts';

/** A stale part of a response. */
type StaleNote = {
  readonly subgraph: string;
  readonly ageMs: number;
  /** `REFRESHING` if the value is only being refreshed, otherwise the code of the failure. */
  readonly reason: string;
};

type Extensions = { readonly tributary?: { readonly stale?: readonly StaleNote[] } };

/** A provider that is down, according to one response. */
export type Outage = {
  /** The subgraph; `gateway` if there was no response. */
  readonly subgraph: string;
  readonly code: string;
  /** When the oldest stale value shown was read, in milliseconds since 1970; undefined if there is none. */
  readonly shownFrom: number | undefined;
  /** Whether data is missing because there was no older value. */
  readonly isMissing: boolean;
  /** The affected operations. */
  readonly operations: readonly string[];
};

/** The outages in the latest response to each operation. */
const byOperation = makeVar<Readonly<Record<string, readonly Outage[]>>>({});

/** Operations that load further pages of a customer. Reloading the customer outdates their reports. */
const FURTHER_PAGES = ['MorePayments', 'MoreDeals'];

const note = (operation: string, outages: readonly Outage[]): void => {
  const before = byOperation();
  const outdated = operation === 'CustomerOverview' ? FURTHER_PAGES : [];
  if (outages.length === 0 && ![operation, ...outdated].some((name) => before[name]?.length)) return;
  byOperation({ ...before, ...Object.fromEntries(outdated.map((name) => [name, []])), [operation]: outages });
};

/** Removes the outages reported by the customer page that was open. */
export const forgetCustomerOutages = (): void => {
  const { CustomerOverview: _, MorePayments: __, MoreDeals: ___, ...others } = byOperation();
  byOperation(others);
};

/** Records which providers are down, because Apollo Client does not pass `extensions` to components. */
export const outageLink = new ApolloLink((operation, forward) => {
  const { operationName = '', operationType } = operation;
  // A mutation reports its own result.
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

/** Merges outages to one per subgraph, sorted by name. */
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

/** Returns the providers that are down, each once. */
export const useOutages = (): readonly Outage[] => mergeOutages(Object.values(useReactiveVar(byOperation)).flat());
