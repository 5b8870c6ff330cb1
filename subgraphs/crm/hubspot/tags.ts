import { createKeyedTag, createTag } from '../../../connectors/reads/tag.ts';

/** Cache tags of HubSpot's data: readers attach them, mutations invalidate them. */
export const tags = {
  /** By id. */
  contact: createKeyedTag('contacts'),
  /** By address in lower case: who is behind it. */
  contactByEmail: createKeyedTag('contactsByEmail'),
  /** Every page of every list of contacts: any record may be on any of them. */
  contactLists: createTag('contactLists'),
  /** By id. */
  deal: createKeyedTag('deals'),
  /** Every page of every list of deals. */
  dealLists: createTag('dealLists'),
};
