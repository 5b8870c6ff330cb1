import { createRandom, type Random } from '../../sandbox/random.ts';

/* Invalid response bodies. Deterministic: random ones depend on a seed, which is in the name. */

export type Odd = {
  readonly name: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Creates the body from a valid one. */
  readonly body: (valid: Buffer) => string | Buffer;
};

const odd = (name: string, body: string | Buffer, rest: Omit<Odd, 'name' | 'body'> = {}): Odd => ({
  name,
  body: () => body,
  ...rest,
});

const DEEP = 10_000;

/** Values of every JSON type, including extreme ones. */
export const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  -1e308,
  2 ** 53,
  5e-324,
  '',
  'x',
  '0',
  'NaN',
  '\u0000',
  '\ud800',
  '\u202e\u200b\ufeff',
  'K',
  '😀'.repeat(1_000),
  'x'.repeat(100_000),
  '<script>alert(1)</script>',
  '{"a":1}',
  [],
  [[]],
  [null],
  [1, 'x', null, {}],
  Array(1_000).fill(null),
  {},
  { constructor: { prototype: { odd: true } } },
  JSON.parse('{ "toString": "x", "valueOf": "x", "hasOwnProperty": "x", "then": "x" }'),
  { toJSON: 'x', length: -1 },
];

/** Invalid JSON, and valid but unusual JSON. */
export const ODD_JSON: readonly Odd[] = [
  odd('nothing', ''),
  odd('a space', ' '),
  odd('a line break', '\n'),
  odd('a byte order mark alone', '\ufeff'),
  odd('a byte order mark before an object', '\ufeff{}'),
  odd('UTF-16', Buffer.from('\ufeff{"a":1}', 'utf16le')),
  odd('invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0xc0, 0x80, 0x22, 0x3a, 0x31, 0x7d])),
  odd('zeros', Buffer.alloc(1_000)),
  odd('noise', Buffer.from(Array.from({ length: 1_000 }, (_, index) => (index * 167 + 13) % 256))),
  odd('NaN', 'NaN'),
  odd('Infinity', 'Infinity'),
  odd('undefined', 'undefined'),
  odd('a number with a leading zero', '01'),
  odd('a number of a thousand digits', '9'.repeat(1_000)),
  odd('a huge exponent', '1e999999'),
  odd('single quotes', "{'a': 1}"),
  odd('a trailing comma', '{"a": 1,}'),
  odd('a comment', '{"a": 1} // x'),
  odd('two values', '{}{}'),
  odd('a value and more', '{} x'),
  odd('half a surrogate pair', '{"a":"\\ud83d"}'),
  odd('half an escape sequence', '{"a":"\\u12"}'),
  odd('a control character', '{"a":"\u0001"}'),
  odd('the same key twice', '{"data":[],"data":{},"id":1,"id":"x","results":[],"results":null}'),
  odd('a prototype', '{"__proto__":{"data":[],"results":[],"id":"x","has_more":false},"constructor":null}'),
  odd('ten thousand nested lists', `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`),
  odd('ten thousand unclosed lists', '['.repeat(DEEP)),
  odd('ten thousand nested objects', `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`),
  odd('ten thousand objects where the data should be', `{"data":${'{"data":'.repeat(DEEP)}1${'}'.repeat(DEEP)}}`),
  odd('ten thousand lists where the results should be', `{"results":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`),
  odd(
    'a hundred thousand keys',
    JSON.stringify(Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`k${i}`, i]))),
  ),
  odd('a hundred thousand things', `{"data":[${'{},'.repeat(1e5)}{}],"results":[${'{},'.repeat(1e5)}{}]}`),
  odd('a hundred thousand numbers', `{"data":[${'1,'.repeat(1e5)}1],"has_more":true,"results":[${'1,'.repeat(1e5)}1]}`),
  odd('an HTML page', '<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>', {
    headers: { 'content-type': 'text/html' },
  }),
  odd('JSON labeled as HTML', '{}', { headers: { 'content-type': 'text/html' } }),
  odd('JSON in another character set', '{}', { headers: { 'content-type': 'application/json; charset=utf-7' } }),
  odd('JSON labeled as gzip', '{}', { headers: { 'content-encoding': 'gzip' } }),
  odd('JSON labeled as br, gzip, deflate', '{}', { headers: { 'content-encoding': 'br, gzip, deflate' } }),
  ...ODD_VALUES.map((value) => odd(`the value ${JSON.stringify(value).slice(0, 40)}`, JSON.stringify(value))),
  ...ODD_VALUES.slice(0, 22).map((value) => {
    const all = {
      data: value,
      results: value,
      errors: value,
      error: value,
      id: value,
      paging: value,
      extensions: value,
    };
    return odd(`everywhere ${JSON.stringify(value).slice(0, 40)}`, JSON.stringify(all));
  }),
];

/** Statuses with unexpected bodies. Few, since each causes retries and pauses. */
export const ODD_STATUSES: readonly Odd[] = [
  ...[201, 202, 204, 205, 206, 207, 226, 299].map((status) => odd(`${status} with nothing`, '', { status })),
  ...[300, 301, 302, 304, 307, 399].map((status) =>
    odd(`${status} to elsewhere`, '{}', { status, headers: { location: 'http://127.0.0.1:1/' } }),
  ),
  ...[400, 401, 402, 403, 404, 409, 410, 418, 422, 451, 499].flatMap((status) => [
    odd(`${status} with null`, 'null', { status }),
    odd(`${status} with text`, 'no', { status }),
    odd(
      `${status} with an error of invalid parts`,
      '{"error":{"type":1,"code":[],"message":{}},"errors":1,"category":[]}',
      { status },
    ),
  ]),
  odd('402 with deep brackets', '['.repeat(DEEP), { status: 402 }),
  odd('500 with deep brackets', '['.repeat(DEEP), { status: 500 }),
  odd('503 with the word Envelope', 'Envelope '.repeat(10_000), { status: 503 }),
  odd('599 with nothing', '', { status: 599 }),
];

/** Malicious or invalid headers. */
export const ODD_HEADERS: readonly Odd[] = [
  ...['NaN', '-1', '1e400', '99999999999999999999', 'never', 'Thu, 01 Jan 1970 00:00:00 GMT', '0x10', '', ' '].map(
    (value) => odd(`429 with Retry-After: ${value}`, '{}', { status: 429, headers: { 'retry-after': value } }),
  ),
  odd('429 with a reason that is a prototype', '{}', {
    status: 429,
    headers: { 'stripe-rate-limited-reason': '__proto__' },
  }),
  odd('429 with a policy that is an object', '{"policyName":{"a":1}}', { status: 429 }),
  ...['-1', 'NaN', '1e9', '0', ' ', '9'.repeat(400)].map((value) =>
    odd(`a rate limit of ${value.slice(0, 20)}`, '{}', {
      headers: {
        'x-hubspot-ratelimit-max': value,
        'x-hubspot-ratelimit-remaining': value,
        'x-hubspot-ratelimit-interval-milliseconds': '10000',
      },
    }),
  ),
  odd('a header of ten thousand characters', '{}', { headers: { 'x-odd': 'x'.repeat(10_000) } }),
];

const replaceIn = (value: unknown, random: Random): unknown => {
  const places: (() => void)[] = [];
  const visit = (holder: Record<string, unknown> | unknown[]) => {
    for (const key of Object.keys(holder)) {
      const of = holder as Record<string, unknown>;
      places.push(() => {
        if (random.int(0, 3) === 0) delete of[key];
        else of[key] = random.pick(ODD_VALUES as [unknown, ...unknown[]]);
      });
      const inner = of[key];
      if (typeof inner === 'object' && inner !== null) visit(inner as Record<string, unknown>);
    }
  };
  if (typeof value === 'object' && value !== null) visit(value as Record<string, unknown>);
  for (let times = random.int(1, 4); times > 0 && places.length > 0; times -= 1) {
    places[random.int(0, places.length - 1)]?.();
  }
  return value;
};

/** A valid body with some values replaced or removed. */
export const mutatedJson = (seed: number): Odd => ({
  name: `a valid response with other values, seed ${seed}`,
  body: (valid) => {
    try {
      return JSON.stringify(replaceIn(JSON.parse(valid.toString()), createRandom(seed)));
    } catch {
      return valid;
    }
  },
});

/** A valid body with some bytes removed, repeated, changed or inserted. */
export const mutatedBytes = (seed: number): Odd => ({
  name: `a valid response with other bytes, seed ${seed}`,
  body: (valid) => {
    const random = createRandom(seed);
    let bytes = valid;
    for (let times = random.int(1, 3); times > 0; times -= 1) {
      const at = random.int(0, Math.max(0, bytes.length - 1));
      const to = Math.min(bytes.length, at + random.int(1, 50));
      const [before, part, after] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
      const kind = random.int(0, 4);
      if (kind === 0) bytes = before;
      else if (kind === 1) bytes = Buffer.concat([before, after]);
      else if (kind === 2) bytes = Buffer.concat([before, part, part, after]);
      else if (kind === 3) bytes = Buffer.concat([before, part.map((byte) => byte ^ (1 << random.int(0, 7))), after]);
      else bytes = Buffer.concat([before, Buffer.from(random.pick(SPLINTERS)), after]);
    }
    return bytes;
  },
});

const SPLINTERS = [
  '<',
  '>',
  '</',
  '&',
  '&#0;',
  ']]>',
  '<![CDATA[',
  '<!--',
  '"',
  '\\',
  '\\u0000',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\u0000',
] as [string, ...string[]];
