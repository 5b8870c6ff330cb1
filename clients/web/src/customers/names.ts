import type { CustomerRowFragment } from '../generated/graphql.ts';

/** What to call a customer: the name, or whatever else is known. */
export const nameOf = ({ firstName, lastName, email, id }: CustomerRowFragment): string =>
  [firstName, lastName].filter(Boolean).join(' ') || email || `Customer ${id}`;

/** `MARKETING_QUALIFIED_LEAD` as people say it. */
export const inWords = (value: string): string => {
  const text = value.toLowerCase().replaceAll('_', ' ');
  return `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`;
};

/** A day as people say it. */
export const formatDay = (at: string): string => new Date(at).toLocaleDateString(undefined, { dateStyle: 'medium' });
