import {
  isUpstreamError,
  type RejectionReason,
  UpstreamError,
  type UpstreamErrorCode,
} from '../../../connectors/errors.ts';

// The shop's own fault codes. Source: Mage_Api and Mage_CatalogInventory, api.xml.
export const SESSION_EXPIRED = '5';

/** The shop's codes for an unknown and an internal error. */
export const SERVER_FAULTS = ['0', '1'] as const;

const FAULTS: ReadonlyMap<string, { code: UpstreamErrorCode; reason?: RejectionReason }> = new Map([
  ['2', { code: 'UPSTREAM_UNAUTHORIZED' }],
  [SESSION_EXPIRED, { code: 'UPSTREAM_UNAUTHORIZED' }],
  ['101', { code: 'UPSTREAM_NOT_FOUND' }],
  ['102', { code: 'UPSTREAM_REJECTED', reason: 'INVALID_VALUE' }],
  ['103', { code: 'UPSTREAM_REJECTED', reason: 'INVALID_VALUE' }],
]);

/** Converts a fault to its error. An undocumented fault counts as the shop's own failure. */
export const toFailure = (error: unknown, write: boolean): unknown => {
  if (!isUpstreamError(error, 'UPSTREAM_REJECTED')) return error;
  const { subgraph, details } = error;
  if (details.fault === undefined) return error;
  const known = FAULTS.get(details.fault);
  const { code, reason } = known ?? { code: write ? 'UPSTREAM_OUTCOME_UNKNOWN' : 'UPSTREAM_UNAVAILABLE' };
  return new UpstreamError(code, subgraph, `${details.operation} responded with fault ${details.fault}`, {
    ...details,
    reason,
    cause: error,
  });
};
