import type { SandboxRequest } from '../server.ts';
import { invalid } from './errors.ts';

/** The parameters of a request, from its query or its form, under their names as sent: `created[gte]`, `expand[0]`. */
export class Params {
  readonly #values: URLSearchParams;

  constructor(request: SandboxRequest) {
    this.#values = request.method === 'GET' ? request.query : new URLSearchParams(request.body);
  }

  /** The provider refuses what it does not know. `known` holds names without brackets. */
  allowOnly(known: readonly string[]): void {
    for (const name of this.#values.keys()) {
      if (!known.includes(name.replace(/\[.*$/, ''))) {
        throw invalid(`Received unknown parameter: ${name}`, { code: 'parameter_unknown', param: name });
      }
    }
  }

  text(name: string): string | undefined {
    return this.#values.get(name) ?? undefined;
  }

  required(name: string): string {
    const value = this.text(name);
    if (!value) throw invalid(`Missing required param: ${name}.`, { code: 'parameter_missing', param: name });
    return value;
  }

  integer(name: string, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!/^-?\d+$/.test(value) || Number(value) < min || Number(value) > max) {
      throw invalid(`Invalid integer: ${value}`, { code: 'parameter_invalid_integer', param: name });
    }
    return Number(value);
  }

  /** `expand[]=a&expand[]=b` and `expand[0]=a` alike. */
  expand(): string[] {
    return [...this.#values].filter(([name]) => name.startsWith('expand[')).map(([, path]) => path);
  }

  /** What was asked, in one order, to recognise a request that is repeated. */
  fingerprint(): string {
    return JSON.stringify([...this.#values].sort());
  }
}
