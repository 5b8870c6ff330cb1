import type { CustomerRowFragment } from '../generated/graphql.ts';

/** Returns a customer's name, or the address or id if there is none. */
export const nameOf = ({ firstName, lastName, email, id }: CustomerRowFragment): string =>
  [firstName, lastName].filter(Boolean).join(' ') || email || `Customer ${id}`;

/** Formats an enum value such as `MARKETING_QUALIFIED_LEAD` for display. */
export const inWords = (value: string): string => {
  const text = value.toLowerCase().replaceAll('_', ' ');
  return `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`;
};

/** Formats a date for display. */
export const formatDay = (at: string): string => new Date(at).toLocaleDateString(undefined, { dateStyle: 'medium' });
