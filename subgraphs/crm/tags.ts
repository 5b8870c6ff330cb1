import { createKeyedTag, createTag } from '../../connectors/tag.ts';

/** What writes change of HubSpot: readers tag what they read with these, and mutations invalidate them. */
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
