import { type Money, moneyFromDecimal } from '../money.ts';
import type * as graph from './generated.ts';
import type { ApiDeal, ApiLink, ApiMoney } from './upstream.ts';

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

/** Won is closed too. */
export const toDealStatus = ({ isClosed, isWon }: ApiDeal): graph.DealStatus =>
  isWon ? 'WON' : isClosed ? 'LOST' : 'OPEN';

/** Which of HubSpot's properties hold for a deal of this status. */
export const DEAL_STATUS_PROPERTIES: Readonly<Record<graph.DealStatus, Readonly<Record<string, string>>>> = {
  OPEN: { hs_is_closed: 'false' },
  WON: { hs_is_closed_won: 'true' },
  LOST: { hs_is_closed: 'true', hs_is_closed_won: 'false' },
};

/** Null where nobody has filled the amount in. */
export const toMoney = (money: ApiMoney | null): Money | null =>
  money && (moneyFromDecimal(money.amount, money.currency) ?? null);

/** The company that counts: the primary one, or the only kind there is. */
export const primaryOf = (links: readonly ApiLink[]): string | undefined =>
  (links.find(({ isPrimary }) => isPrimary) ?? links[0])?.id;

export const toExternalIds = ({ id }: { readonly id: string }): graph.ExternalId[] => [{ system: 'hubspot', id }];
