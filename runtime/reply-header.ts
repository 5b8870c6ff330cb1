import type { FastifyReply } from 'fastify';

/** Several subgraphs can send one header: the values become a list, but for cookies, which have to stay apart. */
export const addHeader = (reply: FastifyReply, name: string, value: string): void => {
  const before = reply.getHeader(name);
  const known = [before ?? []].flat().map(String);
  if (known.includes(value)) return;
  reply.header(name, name === 'set-cookie' ? value : [...known, value].join(', '));
};
