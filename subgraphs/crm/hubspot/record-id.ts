import { z } from 'zod';

/** Schema of a record id in an input. HubSpot's ids are numbers. */
export const RecordId = z.string().regex(/^[1-9]\d{0,18}$/, 'must be an id, a number such as 101');
