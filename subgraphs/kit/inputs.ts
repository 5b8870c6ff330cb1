import { z } from 'zod';
import { toAsciiLowerCase, toAsciiUpperCase } from './ascii.ts';
import { badInput } from './errors.ts';
import { isCurrency } from './money.ts';

/** Maximum page size of any list. */
export const MAX_PAGE_SIZE = 100;

/** Validates an argument. Throws BAD_USER_INPUT naming the argument, or the part of it, that is invalid. */
export const readInput = <Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  argument: string,
): z.output<Schema> => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw badInput([argument, ...(issue?.path ?? [])].join('.'), issue?.message ?? 'cannot be used');
};

/** Schema of an ASCII email address, lowercased, because providers compare addresses case-insensitively. */
export const Email = z
  .string()
  .trim()
  .max(254, 'must be an e-mail address')
  .transform(toAsciiLowerCase)
  .pipe(z.email('must be an e-mail address'));

/** Schema of a positive decimal, as a string. */
export const PositiveDecimal = z
  .string('must be a decimal number as text, e.g. "12.50"')
  .regex(/^\d{1,15}(\.\d{1,6})?$/, 'must be a decimal number, e.g. 12.50')
  .refine((text) => /[1-9]/.test(text), 'must be above zero');

/** Schema of a non-negative decimal, as a string. */
export const Decimal = z
  .string('must be a decimal number as text, e.g. "12.50"')
  .regex(/^\d{1,15}(\.\d{1,6})?$/, 'must be a decimal number, e.g. 12.50');

/** Schema of an ISO 4217 currency code, converted to upper case. */
export const Currency = z
  .string()
  .transform(toAsciiUpperCase)
  .refine(isCurrency, 'must be a currency of ISO 4217, e.g. EUR');

/** Schema of free text, trimmed, of at most `max` characters. */
export const text = (max: number) => z.string().trim().max(max, `must have at most ${max} characters`);

/** Schema of an ISO 8601 date and time with a time zone. */
export const DateTime = z.iso
  .datetime({ offset: true, error: 'must be a date and time as in 2026-11-01T09:30:00Z' })
  .transform((value) => new Date(value));

const PageSize = z
  .number()
  .int()
  .min(1, `must be 1 to ${MAX_PAGE_SIZE}`)
  .max(MAX_PAGE_SIZE, `must be 1 to ${MAX_PAGE_SIZE}`);

/** Reads a page size, 1 to 100. */
export const readPageSize = (first: unknown): number => readInput(PageSize, first, 'first');
