import { placeErrors } from './attribute-errors.ts';
import { isData } from './data.ts';
import { queryOf } from './explain.ts';
import {
  type CollectedEntities,
  createFetchTarget,
  type FetchOptions,
  NO_ANSWER,
  type Run,
  withService,
} from './input.ts';
import { createSelectionTree } from './selection-tree.ts';
import { fragmentMap } from './selections.ts';
import { type Fetch, fragmentsIn, operationIn } from './steps.ts';
import type { SubgraphAnswer, SubgraphClient } from './subgraph-request.ts';

/** Sends a fetch and puts what it gives to the data; undefined where there is nothing to ask. Rejects only as `takeTurn` does. */
export type Send<Context> = (run: Run<Context>) => Promise<void> | undefined;

/** Compiles one request to a subgraph. */
export const createSend = <Context>(
  options: FetchOptions,
  fetch: Fetch,
  client: SubgraphClient<Context>,
): Send<Context> => {
  const { subgraph, document, kind, operationName } = fetch;
  const fragments = fragmentMap(fragmentsIn(document));
  const send = client.prepare({ query: queryOf(fetch), document, kind, operationName });
  const inputOptions = { ...options, subgraph, fragments, encoding: client.encoding };
  const inputs = fetch.inputs.map((input) => createFetchTarget(inputOptions, input));
  const entityLists = new Set(fetch.inputs.flatMap(({ entities }) => entities?.name ?? []));
  const isEntityList = (name: string): boolean => entityLists.has(name);
  const renamed = fetch.inputs.flatMap((input) => input.renamed);
  const tree = createSelectionTree(options.supergraphSchema, operationIn(document).selectionSet, fragments, renamed);

  const receive = (run: Run<Context>, collected: readonly CollectedEntities[], answer: SubgraphAnswer): void => {
    const errors = (answer.errors ?? []).map((error) => withService(error, subgraph));
    const data = isData(answer.data) ? answer.data : undefined;
    if (errors.length > 0 || !data) run.hasFailures = true;
    const { variables } = run;
    const unplaced = data && errors.length > 0 ? placeErrors(data, errors, { tree, isEntityList, variables }) : errors;
    const unseen = new Set(unplaced);
    for (const [index, input] of inputs.entries()) {
      const own = collected[index] as CollectedEntities;
      if (data && input.isUsable(own, data)) input.receive(run, own, data);
      else {
        const about = errors.filter(input.isAbout);
        input.fail(run, own, about.length > 0 ? about : [withService(NO_ANSWER, subgraph)]);
        for (const error of about) unseen.delete(error);
      }
      for (const note of answer.stale ?? []) run.stale.push(...input.toClient(run, own, note));
    }
    // Errors that are the reason of no null.
    for (const { path, ...error } of unseen) {
      const located = path
        ? inputs.flatMap((input, index) =>
            input.toClient(run, collected[index] as CollectedEntities, { ...error, path }),
          )
        : [];
      run.errors.push(...(located.length > 0 ? located : [error]));
    }
  };

  return (run) => {
    const collected = inputs.map((input) => input.collect(run));
    if (collected.every(({ isEmpty }) => isEmpty)) return undefined;
    const variables: Record<string, unknown> = {};
    for (const name of fetch.variables) if (run.sent[name] !== undefined) variables[name] = run.sent[name];
    const representations = collected.flatMap(({ representations: one }) => one ?? []);
    return send({ variables, representations }, run.context).then((answer) => {
      const turn = run.takeTurn?.();
      return turn ? turn.then(() => receive(run, collected, answer)) : receive(run, collected, answer);
    });
  };
};
