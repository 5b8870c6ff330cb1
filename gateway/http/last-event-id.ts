import type { FastifyRequest } from 'fastify';
import { z } from 'zod';

const Extensions = z.object({ tributary: z.object({ lastEventId: z.unknown() }) });

/** Ids are written into headers and event streams. */
const ID = /^[\x21-\x7e]{1,200}$/;

/** The place of no feed: a subscription that continues after something else than an id is refused with EVENTS_EXPIRED. */
const UNKNOWN = 'unknown';

const readId = (value: unknown): string => (typeof value === 'string' && ID.test(value) ? value : UNKNOWN);

/** Reads the id of the last event that a client has from `extensions` of its request. Undefined if it continues nothing. */
export const lastEventIdIn = (extensions: unknown): string | undefined => {
  const id = Extensions.safeParse(extensions).data?.tributary.lastEventId ?? undefined;
  return id === undefined ? undefined : readId(id);
};

/** Reads it from the header `Last-Event-ID`, which browsers send, or from the extensions of the body. */
export const readLastEventId = ({ headers, body }: Pick<FastifyRequest, 'headers' | 'body'>): string | undefined => {
  const header = headers['last-event-id'];
  if (header !== undefined && header !== '') return readId(header);
  return lastEventIdIn((body as { readonly extensions?: unknown } | undefined)?.extensions);
};
