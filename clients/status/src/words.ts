const NUMBER = new Intl.NumberFormat('en');

/** Formats a whole number, e.g. `1,200`. */
export const number = (value: number): string => NUMBER.format(Math.round(value));

/** Formats a number with its noun, e.g. `1 request`, `1,200 requests`. */
export const count = (value: number, one: string, many = `${one}s`): string =>
  `${number(value)} ${value === 1 ? one : many}`;

/** Formats a duration in milliseconds, e.g. `85 ms`, `1.2 s`, `3 min`. */
export const duration = (ms: number | null): string => {
  if (ms === null) return '–';
  if (ms < 1_000) return `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`;
};

/** Formats a duration in seconds. */
export const seconds = (value: number | null): string => duration(value === null ? null : value * 1_000);

const UNITS: Readonly<Record<number, string>> = { 1: 'a second', 60: 'a minute', 3600: 'an hour', 86400: 'a day' };

/** Formats the window of a quota, in seconds, e.g. `a second`, `in 10 seconds`. */
export const each = (windowS: number): string => UNITS[windowS] ?? `in ${count(windowS, 'second')}`;

/** Formats a part of a whole, e.g. `3 %`. */
export const percent = (part: number, whole = 1): string => {
  if (whole === 0) return '–';
  const share = (100 * part) / whole;
  return `${share > 0 && share < 10 ? Number(share.toFixed(1)) : Math.round(share)} %`;
};

/** Formats a size in bytes. */
export const mebibytes = (bytes: number): string => `${number(bytes / 1024 / 1024)} MiB`;
