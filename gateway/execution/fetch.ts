import { MAX_STALE_NOTES } from '../../subgraphs/kit/protocol/report.ts';
import { attributeErrors } from './attribute-errors.ts';
import { isData } from './data.ts';
import { queryOf } from './explain.ts';
import {
  type CollectedEntities,
  createFetchTarget,
  type FetchOptions,
  type Run,
  UNUSABLE_RESPONSE,
  withServiceName,
} from './fetch-target.ts';
import type { Path } from './objects-at.ts';
import { createSelectionTree } from './selection-tree.ts';
import { fragmentMap } from './selections.ts';
import { type Fetch, fragmentsIn, operationIn } from './steps.ts';
import type { SubgraphClient, SubgraphResponse } from './subgraph-request.ts';

/**
 * Sends a fetch and merges the response into the data. Returns undefined if there is nothing to fetch.
 * Rejects only when `takeTurn` rejects.
 */
export type SendFetch<Context> = (run: Run<Context>) => Promise<void> | undefined;

/** Compiles one subgraph request. */
export const compileFetch = <Context>(
  options: FetchOptions,
  fetch: Fetch,
  client: SubgraphClient<Context>,
): SendFetch<Context> => {
  const { subgraph, document, kind, operationName } = fetch;
  const fragments = fragmentMap(fragmentsIn(document));
  // What a subscription fetches first is in its event.
  const send =
    kind === 'subscription' ? undefined : client.prepare({ query: queryOf(fetch), document, kind, operationName });
  const targetOptions = { ...options, subgraph, fragments, encoding: client.encoding };
  const targets = fetch.targets.map((target) => createFetchTarget(targetOptions, target));
  const entityLists = new Set(fetch.targets.flatMap(({ entities }) => entities?.name ?? []));
  const isEntityList = (name: string): boolean => entityLists.has(name);
  const renames = fetch.targets.flatMap((target) => target.renames);
  const tree = createSelectionTree(options.supergraphSchema, operationIn(document).selectionSet, fragments, renames);

  const receive = (run: Run<Context>, collected: readonly CollectedEntities[], response: SubgraphResponse): void => {
    const errors = (response.errors ?? []).map((error) => withServiceName(error, subgraph));
    const data = isData(response.data) ? response.data : undefined;
    if (errors.length > 0 || !data) run.hasFailures = true;
    const { variables } = run;
    const unattributed =
      data && errors.length > 0 ? attributeErrors(data, errors, { tree, isEntityList, variables }) : errors;
    const unreported = new Set(unattributed);
    for (const [index, target] of targets.entries()) {
      const entities = collected[index] as CollectedEntities;
      if (data && target.isUsable(entities, data)) target.receive(run, entities, data);
      else {
        const relevant = errors.filter(target.isRelevant);
        target.fail(run, entities, relevant.length > 0 ? relevant : [withServiceName(UNUSABLE_RESPONSE, subgraph)]);
        for (const error of relevant) unreported.delete(error);
      }
    }
    const locators = targets.map((target, index) => target.createLocator(run, collected[index] as CollectedEntities));
    const locate = (path: Path): Path[] => locators.flatMap((locator) => locator(path));
    for (const note of response.stale ?? []) {
      const left = MAX_STALE_NOTES - run.stale.length;
      if (left === 0) break;
      // An entity can be at any number of places.
      for (const path of locate(note.path).slice(0, left)) run.stale.push({ ...note, path });
    }
    // Errors that caused no null.
    for (const { path, ...error } of unreported) {
      const places = path ? locate(path) : [];
      for (const place of places) run.errors.push({ ...error, path: place });
      if (places.length === 0) run.errors.push(error);
    }
  };

  return (run) => {
    const collected = targets.map((target) => target.collect(run));
    if (collected.every(({ isEmpty }) => isEmpty)) return undefined;
    const representations = collected.flatMap(({ representations: one }) => one ?? []);
    const request = { variables: variablesFor(fetch, run.rawVariables), representations };
    const sent = send?.(request, run.context) ?? run.event?.() ?? NO_EVENT;
    return sent.then((response) => {
      const turn = run.takeTurn?.();
      return turn ? turn.then(() => receive(run, collected, response)) : receive(run, collected, response);
    });
  };
};

const NO_EVENT: Promise<SubgraphResponse> = Promise.resolve({ data: null });

/** Returns the variables that a fetch uses, as the client sent them. */
export const variablesFor = (
  { variables: names }: Fetch,
  sent: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> => {
  const variables: Record<string, unknown> = {};
  for (const name of names) {
    // `constructor` and the like are no variables, unless the client has sent them.
    if (Object.hasOwn(sent, name) && sent[name] !== undefined) variables[name] = sent[name];
  }
  return variables;
};
