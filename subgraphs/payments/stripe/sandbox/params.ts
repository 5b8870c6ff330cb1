import type Stripe from 'stripe';
import type { SandboxRequest } from '../../../../sandbox/server.ts';
import { invalid } from './errors.ts';

// https://docs.stripe.com/api/metadata
const MAX_METADATA = { keys: 50, keyLength: 40, valueLength: 500 };

/** The parameters of a request, from its query or form, by name as sent: `created[gte]`, `expand[0]`. */
export class Params {
  readonly #values: URLSearchParams;

  constructor(request: SandboxRequest) {
    this.#values = request.method === 'GET' ? request.query : new URLSearchParams(request.body);
  }

  /** Rejects unknown parameters, like Stripe. `known` contains names without brackets. */
  allowOnly(known: readonly string[]): void {
    for (const name of this.#values.keys()) {
      if (!known.includes(name.replace(/\[.*$/, ''))) throw unknown(name);
    }
  }

  text(name: string): string | undefined {
    return this.#values.get(name) ?? undefined;
  }

  /** Returns a text that an empty value clears: null if empty, undefined if missing. */
  clearable(name: string): string | null | undefined {
    const value = this.text(name);
    return value === '' ? null : value;
  }

  required(name: string): string {
    const value = this.text(name);
    if (value === undefined) {
      throw invalid(`Missing required param: ${name}.`, { code: 'parameter_missing', param: name });
    }
    if (value === '') throw empty(name);
    return value;
  }

  integer(name: string, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (value === '') throw empty(name);
    const refuse = (message: string) => invalid(message, { code: 'parameter_invalid_integer', param: name });
    if (!/^-?\d+$/.test(value)) throw refuse(`Invalid integer: ${value}`);
    if (Number(value) < min) throw refuse(`This value must be greater than or equal to ${min}.`);
    if (Number(value) > max) throw refuse(`This value must be less than or equal to ${max}.`);
    return Number(value);
  }

  boolean(name: string): boolean | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (value !== 'true' && value !== 'false') throw invalid(`Invalid boolean: ${value}`, { param: name });
    return value === 'true';
  }

  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const found = choices.find((one) => one === value);
    if (!found) throw invalid(`Invalid ${name}: must be one of ${choices.join(', ')}`, { param: name });
    return found;
  }

  /** Returns the values of a list, written as `types[]=a&types[]=b` or `types[0]=a`. */
  list(name: string): string[] {
    return this.#under(name).map(([, value]) => value);
  }

  /** Returns the values of an object by key: `created[gte]=1` is `{ gte: '1' }`. Undefined if missing. */
  object(name: string, keys: readonly string[]): Readonly<Record<string, string>> | undefined {
    const entries = this.#under(name);
    for (const [key] of entries) if (!keys.includes(key)) throw unknown(`${name}[${key}]`);
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }

  /** Returns the metadata after this request: an empty value removes its key, an empty `metadata` removes all keys. */
  metadata(current: Stripe.Metadata | null = {}): Stripe.Metadata {
    const changed = new Map(this.text('metadata') === '' ? [] : Object.entries(current ?? {}));
    for (const [key, value] of this.#under('metadata')) {
      if (value === '') changed.delete(key);
      else changed.set(key, value);
      if (key.length > MAX_METADATA.keyLength || value.length > MAX_METADATA.valueLength) {
        throw invalid(
          `Metadata keys have up to ${MAX_METADATA.keyLength} characters and values up to ${MAX_METADATA.valueLength}.`,
          { param: `metadata[${key}]` },
        );
      }
    }
    if (changed.size > MAX_METADATA.keys) {
      throw invalid(`You can specify up to ${MAX_METADATA.keys} metadata keys.`, { param: 'metadata' });
    }
    return Object.fromEntries(changed);
  }

  /** Serializes the parameters in a canonical order, to recognize a repeated request. */
  fingerprint(): string {
    return JSON.stringify([...this.#values].sort());
  }

  #under(name: string): [key: string, value: string][] {
    return [...this.#values].flatMap(([full, value]) =>
      full.startsWith(`${name}[`) && full.endsWith(']') ? [[full.slice(name.length + 1, -1), value]] : [],
    );
  }
}

const unknown = (name: string) =>
  invalid(`Received unknown parameter: ${name}`, { code: 'parameter_unknown', param: name });

const empty = (name: string) =>
  invalid(`You passed an empty string for '${name}'. Remove '${name}' from the request or supply a value.`, {
    code: 'parameter_invalid_empty',
    param: name,
  });
