import { z } from 'zod';

/** The id of a record in an input. HubSpot numbers its records. */
export const RecordId = z.string().regex(/^[1-9]\d{0,18}$/, 'must be an id, which is a number');
