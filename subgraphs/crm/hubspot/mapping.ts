import { isUnusable, toItemError, type Unusable } from '../../../connectors/reads/items.ts';
import { unusableResponse } from '../../../connectors/transports/parse.ts';
import { type Money, moneyFromDecimal } from '../../kit/money.ts';
import type * as graph from '../generated.ts';
import type { ApiAssociation, ApiDeal, ApiMoney } from './api.ts';

/** A stage as HubSpot names it. OTHER is many stages and so none. */
export const API_LIFECYCLE_STAGE: Readonly<Record<Exclude<graph.LifecycleStage, 'OTHER'>, string>> = {
  SUBSCRIBER: 'subscriber',
  LEAD: 'lead',
  MARKETING_QUALIFIED_LEAD: 'marketingqualifiedlead',
  SALES_QUALIFIED_LEAD: 'salesqualifiedlead',
  OPPORTUNITY: 'opportunity',
  CUSTOMER: 'customer',
  EVANGELIST: 'evangelist',
};

const LIFECYCLE_STAGE: ReadonlyMap<string, graph.LifecycleStage> = new Map(
  Object.entries(API_LIFECYCLE_STAGE).map(([stage, name]) => [name, stage as graph.LifecycleStage]),
);

/** Portals can make stages of their own, with numbers for names: those are OTHER. */
export const toLifecycleStage = (stage: string | null): graph.LifecycleStage | null =>
  stage === null ? null : (LIFECYCLE_STAGE.get(stage) ?? 'OTHER');

/** Won is closed too. Null where HubSpot does not say enough. */
export const toDealStatus = ({ isClosed, isWon }: Pick<ApiDeal, 'isClosed' | 'isWon'>): graph.DealStatus | null => {
  if (isWon) return 'WON';
  if (isClosed === false) return 'OPEN';
  return isClosed && isWon === false ? 'LOST' : null;
};

/** Which of HubSpot's properties hold for a deal of this status. */
export const DEAL_STATUS_PROPERTIES: Readonly<Record<graph.DealStatus, Readonly<Record<string, string>>>> = {
  OPEN: { hs_is_closed: 'false' },
  WON: { hs_is_closed_won: 'true' },
  LOST: { hs_is_closed: 'true', hs_is_closed_won: 'false' },
};

/** Null where nobody has filled the amount in. */
export const toMoney = (money: ApiMoney | null): Money | null =>
  money && (moneyFromDecimal(money.amount, money.currency) ?? null);

/**
 * The company that counts: the primary one, or the first where none is. Throws UPSTREAM_BAD_RESPONSE where one of the links may
 * be the primary one and does not say so.
 */
export const primaryOf = (associations: readonly (ApiAssociation | Unusable)[]): string | undefined => {
  let first: ApiAssociation | undefined;
  let problem: Error | undefined;
  for (const link of associations) {
    if (isUnusable(link)) problem ??= toItemError('crm', link);
    else if (link.isPrimary) return link.id;
    else {
      first ??= link;
      if (link.isPrimary === null && associations.length > 1) {
        problem ??= unusableResponse({ upstream: 'crm', operation: 'associations' }, 'unexpected associationTypes');
      }
    }
  }
  if (problem) throw problem;
  return first?.id;
};

export const toExternalIds = ({ id }: { readonly id: string }): graph.ExternalId[] => [{ system: 'hubspot', id }];
