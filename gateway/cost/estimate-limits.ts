import { limitError } from '../../subgraphs/kit/limits/limit-error.ts';
import type { Estimate } from './estimate.ts';

/** Limits on the estimated size of a response. All are inclusive. */
export type EstimateLimits = {
  readonly maxObjects: number;
  readonly maxValues: number;
  /** Assumed length of a list that states none. */
  readonly assumedListSize: number;
};

/** Throws a GraphQLError of code OPERATION_LIMIT_EXCEEDED if an estimate exceeds a limit. */
export const checkEstimate = (
  { objects, values, introspected }: Estimate,
  { maxObjects, maxValues, maxIntrospected }: EstimateLimits & { readonly maxIntrospected: number },
): void => {
  if (!(objects <= maxObjects)) {
    throw limitError({
      what: 'objects by estimate',
      value: Math.ceil(objects),
      limit: maxObjects,
      variable: 'MAX_ESTIMATED_OBJECTS',
    });
  }
  if (!(values <= maxValues)) {
    throw limitError({
      what: 'values by estimate',
      value: Math.ceil(values),
      limit: maxValues,
      variable: 'MAX_ESTIMATED_VALUES',
    });
  }
  if (!(introspected <= maxIntrospected)) {
    throw limitError({
      what: 'values of the schema by estimate',
      value: Math.ceil(introspected),
      limit: maxIntrospected,
      variable: 'INTROSPECTION',
    });
  }
};
