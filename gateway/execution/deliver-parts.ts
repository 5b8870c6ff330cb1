import type { GraphQLSchema } from 'graphql';
import { MAX_ERRORS, omittedErrors } from './client-errors.ts';
import type { Data } from './data.ts';
import type { DeferredPart, SplitOperation } from './deferred-parts.ts';
import type { DeliveredPart, Delivery, PendingPart, Recipient } from './delivery.ts';
import type { FetchError } from './failure.ts';
import { addDelivered, findPartObjects, type PartObject } from './part-objects.ts';
import type { PreparedOperation } from './prepare.ts';
import type { Shape, Shapes, Shaping } from './shape.ts';
import type { SubgraphError } from './subgraph-request.ts';

export type PartsRun = {
  /** The fetched data. */
  readonly data: Data;
  /** Settles when everything is fetched that is not deferred. */
  readonly first: Promise<void>;
  readonly errors: readonly SubgraphError[];
  /** Whether the data contains failures up to now. */
  readonly hasFailures: () => boolean;
  /** Settles when what a part needs has been merged into the data, except for what is not deferred. */
  readonly fetched: (part: DeferredPart) => Promise<unknown>;
  /** Returns the errors that the fetches of a part had and that caused no null, with paths from the root. */
  readonly errorsOf: (part: DeferredPart) => readonly SubgraphError[];
  readonly createShaping: () => Shaping;
  readonly takeTurn: (() => Promise<void> | undefined) | undefined;
  readonly recipient: Recipient;
};

type DeliverPartsOptions = {
  readonly schema: GraphQLSchema;
  readonly shapes: Shapes;
  readonly prepared: PreparedOperation;
  readonly deferred: SplitOperation;
  /** The shape of what is not deferred. */
  readonly shape: Shape;
  readonly toClientErrors: (errors: readonly SubgraphError[], data: unknown) => SubgraphError[];
};

/** Values that a part counts for at each of its objects, besides those in it: its path and its label. */
const VALUES_PER_PART = 4;

/**
 * Creates the function that shapes and delivers a response in parts: what is not deferred as soon as that is fetched, and each
 * deferred part as soon as its own fetches are done. A part within another is delivered after that.
 *
 * Returns the whole response, as if nothing was deferred, except that a null propagates only to the object that a part is of.
 * Rejects if a turn or the response's budget does; what is delivered until then stays valid.
 */
export const createPartsDelivery = (options: DeliverPartsOptions) => {
  const { schema, shapes, prepared, deferred, shape, toClientErrors } = options;
  const { clientName, deferLabel } = prepared;
  const compiled = new Map<DeferredPart['selectionSet'], Shape>();
  /** Compiled on first use: most clients use one of the two formats. */
  const shapeOf = ({ typename }: DeferredPart, selectionSet: DeferredPart['selectionSet']): Shape => {
    const known = compiled.get(selectionSet) ?? shapes.ofObject(typename, selectionSet);
    compiled.set(selectionSet, known);
    return known;
  };
  const all = flatten(deferred.parts);
  const parentOf = new Map(all.flatMap((part) => part.parts.map((child) => [child, part] as const)));

  return async (run: PartsRun): Promise<{ readonly data: Data | null; readonly errors: readonly SubgraphError[] }> => {
    const { recipient, takeTurn } = run;
    const settled = watch(all, run.fetched);
    await run.first;
    const turn = takeTurn?.();
    if (turn) await turn;
    const shaping = run.createShaping();
    const objectsOf = new Map<DeferredPart, readonly (PartObject & PendingPart)[]>();
    const waiting = new Set(all);
    const reported: SubgraphError[] = [];
    let ids = 0;

    const selectionOf = (part: DeferredPart) => (recipient.repeatsFields ? part.selectionSet : part.newSelectionSet);

    /** Finds the objects of parts, and returns what is announced. A part that adds nothing is skipped. */
    const announce = (parts: readonly DeferredPart[], around: readonly PartObject[]): PendingPart[] =>
      parts.flatMap((part): PendingPart[] => {
        const objects = findPartObjects(schema, around, part.path, clientName);
        if (selectionOf(part).selections.length === 0) {
          waiting.delete(part);
          return announce(part.parts, objects);
        }
        const announced = objects.map((object) => {
          return { ...object, id: String(ids++), label: deferLabel(part.id) };
        });
        objectsOf.set(part, announced);
        return announced.map(({ id, label, clientPath }) => ({ id, label, path: clientPath }));
      });

    const report = (errors: readonly SubgraphError[]): readonly SubgraphError[] => {
      if (errors.length === 0) return errors;
      const mapped = toClientErrors(errors, result);
      const left = Math.max(0, MAX_ERRORS - reported.length);
      const told =
        mapped.length > left && left > 0
          ? [...mapped.slice(0, left), omittedErrors(mapped.length - left)]
          : mapped.slice(0, left);
      reported.push(...told);
      return told;
    };

    const deliverPart = (part: DeferredPart): DeliveredPart[] => {
      const complete = shapeOf(part, selectionOf(part));
      // Errors that caused no null are told once.
      let others = run.errorsOf(part);
      return (objectsOf.get(part) ?? []).map((object) => {
        const { id, label, path, clientPath, fetched, delivered } = object;
        const errors: FetchError[] = [];
        Object.assign(shaping, { errors, hasFailures: run.hasFailures() });
        shaping.valuesLeft -= VALUES_PER_PART;
        if (shaping.valuesLeft < 0) shaping.checkpoint();
        const data = complete(fetched, shaping);
        if (data) addDelivered(delivered, data);
        const told = report([...errors.map((error) => ({ ...error, path: [...path, ...error.path] })), ...others]);
        others = [];
        if (data) found.add(object);
        return { id, label, path: clientPath, data, errors: told };
      });
    };

    const result = shape(run.data, shaping);
    /** The objects at which a part has been delivered. Parts within it follow there only. */
    const found = new Set<PartObject>();
    const root = result ? [{ fetched: run.data, delivered: result, path: [], clientPath: [] }] : [];
    const firstErrors = report([...shaping.errors, ...run.errors]);
    const pending = announce(deferred.parts, root);
    recipient.deliver({ first: { data: result, errors: firstErrors }, parts: [], pending, hasNext: waiting.size > 0 });

    while (waiting.size > 0) {
      const ready = [...waiting].filter(
        (part) => settled.has(part) && !waiting.has(parentOf.get(part) as DeferredPart),
      );
      if (ready.length === 0) {
        await settled.next();
        continue;
      }
      const next = takeTurn?.();
      if (next) await next;
      shaping.renew();
      const parts: DeliveredPart[] = [];
      const announced: PendingPart[] = [];
      for (const part of ready) {
        parts.push(...deliverPart(part));
        waiting.delete(part);
        announced.push(
          ...announce(
            part.parts,
            (objectsOf.get(part) ?? []).filter((object) => found.has(object)),
          ),
        );
      }
      const delivery: Delivery = { first: undefined, parts, pending: announced, hasNext: waiting.size > 0 };
      if (parts.length + announced.length > 0 || !delivery.hasNext) recipient.deliver(delivery);
    }
    return { data: result, errors: reported };
  };
};

const flatten = (parts: readonly DeferredPart[]): DeferredPart[] =>
  parts.flatMap((part) => [part, ...flatten(part.parts)]);

/** Watches which parts have all that they fetch. `next` resolves after one more has, and rejects if one cannot be fetched. */
const watch = (parts: readonly DeferredPart[], fetched: PartsRun['fetched']) => {
  const settled = new Set<DeferredPart>();
  let failure: { readonly reason: unknown } | undefined;
  let wake = (): void => {};
  for (const part of parts) {
    fetched(part).then(
      () => {
        settled.add(part);
        wake();
      },
      (reason: unknown) => {
        failure ??= { reason };
        wake();
      },
    );
  }
  return {
    has: (part: DeferredPart): boolean => settled.has(part),
    next: async (): Promise<void> => {
      if (!failure)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      if (failure) throw failure.reason;
    },
  };
};
