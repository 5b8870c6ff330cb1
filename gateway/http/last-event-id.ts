import type { FastifyRequest } from 'fastify';
import { z } from 'zod';

const Extensions = z.object({ tributary: z.object({ lastEventId: z.string().max(200) }) });

/** Reads the id of the last event that a client has from `extensions` of its request. Undefined if it continues nothing. */
export const lastEventIdIn = (extensions: unknown): string | undefined =>
  Extensions.safeParse(extensions).data?.tributary.lastEventId;

/** Reads it from the header `Last-Event-ID`, which browsers send, or from the extensions of the body. */
export const readLastEventId = ({ headers, body }: Pick<FastifyRequest, 'headers' | 'body'>): string | undefined => {
  const header = headers['last-event-id'];
  if (typeof header === 'string' && header !== '') return header;
  return lastEventIdIn((body as { readonly extensions?: unknown } | undefined)?.extensions);
};
