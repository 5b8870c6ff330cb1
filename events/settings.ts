import { z } from 'zod';
import type { InboxLimits } from './inbox/inbox.ts';

/* The variables of a process that keeps or follows the events of webhooks. */

const Count = z.coerce.number().int().positive();

export const EVENTS_SHAPE = {
  EVENTS_FILE: z.string().optional(),
  EVENTS_URL: z
    .string()
    .refine((text) => /^postgres(ql)?:$/.test(URL.parse(text)?.protocol ?? ''), 'must be a postgres URL')
    .optional(),
  EVENTS_MAX_WAITING: Count.default(100_000),
  EVENTS_MAX_MIB: Count.default(1_024),
  EVENTS_RETENTION_HOURS: z.coerce.number().positive().max(8_784).default(168),
};

/** Where events are kept. */
export type EventStoreConfig = {
  /** The file of the inbox; undefined for the default. */
  readonly file: string | undefined;
  /** A Postgres that replicas share, instead of a file. */
  readonly url: string | undefined;
  readonly limits: InboxLimits;
};

export const toEventStoreConfig = (values: z.output<z.ZodObject<typeof EVENTS_SHAPE>>): EventStoreConfig => ({
  file: values.EVENTS_FILE,
  url: values.EVENTS_URL,
  limits: {
    maxWaiting: values.EVENTS_MAX_WAITING,
    maxBytes: values.EVENTS_MAX_MIB * 1024 * 1024,
    retentionMs: values.EVENTS_RETENTION_HOURS * 3_600_000,
  },
});
