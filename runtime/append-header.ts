import type { FastifyReply } from 'fastify';

/** Adds a response header. Values from several subgraphs are joined to a list, except cookies, which must stay separate. */
export const appendHeader = (reply: FastifyReply, name: string, value: string): void => {
  const existing = reply.getHeader(name);
  const values = [existing ?? []].flat().map(String);
  if (values.includes(value)) return;
  reply.header(name, name === 'set-cookie' ? value : [...values, value].join(', '));
};
