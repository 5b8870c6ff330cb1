import type * as graph from '../generated.ts';
import type { Company, Customer, Deal, SingleLifecycleStage } from '../model.ts';
import type { PartialContact, PartialDeal } from './read-back.ts';
import type { ApiCompany, ApiDeal } from './wire-types.ts';

/** HubSpot's names of lifecycle stages. */
export const API_LIFECYCLE_STAGE: Readonly<Record<SingleLifecycleStage, string>> = {
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

/** Maps a lifecycle stage. Custom stages, whose names are numbers, are OTHER. */
const toLifecycleStage = (stage: string | null): graph.LifecycleStage | null =>
  stage === null ? null : (LIFECYCLE_STAGE.get(stage) ?? 'OTHER');

/** Derives a deal's status from its flags; won deals are closed too. Null if HubSpot omits a flag that matters. */
const toDealStatus = ({ isClosed, isWon }: Pick<ApiDeal, 'isClosed' | 'isWon'>): graph.DealStatus | null => {
  if (isWon) return 'WON';
  if (isClosed === false) return 'OPEN';
  return isClosed && isWon === false ? 'LOST' : null;
};

/** The values of HubSpot's flags by deal status, for filters. */
export const DEAL_STATUS_PROPERTIES: Readonly<Record<graph.DealStatus, Readonly<Record<string, string>>>> = {
  OPEN: { hs_is_closed: 'false' },
  WON: { hs_is_closed_won: 'true' },
  LOST: { hs_is_closed: 'true', hs_is_closed_won: 'false' },
};

const toExternalIds = (id: string): graph.ExternalId[] => [{ system: 'hubspot', id }];

export const toCustomer = (contact: PartialContact): Customer => ({
  ...contact,
  lifecycleStage:
    contact.lifecycleStage instanceof Error ? contact.lifecycleStage : toLifecycleStage(contact.lifecycleStage),
  externalIds: toExternalIds(contact.id),
});

export const toCompany = (company: ApiCompany): Company => ({ ...company, externalIds: toExternalIds(company.id) });

export const toDeal = ({ id, name, stage, isClosed, isWon, amount, closeDate, createdAt }: PartialDeal): Deal => ({
  id,
  name,
  stage,
  status: statusOrError(isClosed, isWon),
  amount,
  closeDate,
  createdAt,
  externalIds: toExternalIds(id),
});

/** Returns the status, or the error of either flag: a status needs both. */
const statusOrError = (isClosed: PartialDeal['isClosed'], isWon: PartialDeal['isWon']): Deal['status'] => {
  if (isClosed instanceof Error) return isClosed;
  return isWon instanceof Error ? isWon : toDealStatus({ isClosed, isWon });
};
