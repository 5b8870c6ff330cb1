import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { HttpUrl, toRequirement } from '../../runtime/env.ts';

/*
 * The settings of one issuer, by their names in `AUTH_CONFIG`. The variables `JWT_…` are the same settings of one more issuer.
 */

const ASYMMETRIC_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];
const HMAC_ALGORITHMS = ['HS256', 'HS384', 'HS512'];

/** RFC 7518, section 3.2: an HMAC key has at least the length of the hash. */
const MIN_SECRET_LENGTH = 32;

const NAMES = 'must be a name or a list of names';

const Names = z
  .union([z.string().transform((value) => value.split(',')), z.array(z.string())], {
    error: ({ input }) => (input === undefined ? 'is required' : NAMES),
  })
  .transform((names) => names.map((name) => name.trim()).filter(Boolean))
  .refine((names) => names.length > 0, NAMES);

const Claim = z.string().min(1, 'must be the name of a claim');

/** The settings of one issuer. The paths of files are resolved by `readIssuer`. */
const IssuerSettings = z
  .strictObject({
    issuer: z.string().min(1),
    audience: Names,
    jwksUrl: HttpUrl.optional(),
    publicKey: z.string().optional(),
    publicKeyFile: z.string().optional(),
    secret: z.string().optional(),
    secretFile: z.string().optional(),
    algorithms: Names.optional(),
    clockToleranceS: z.coerce.number().int().min(0).max(300).default(5),
    subjectClaim: Claim.default('sub'),
    scopeClaim: Names.default(['scope', 'scp']),
    tenantClaim: Claim.optional(),
    customerEmailClaim: Claim.optional(),
  })
  .superRefine((settings, context) => {
    const problem = (setting: keyof typeof settings, message: string) =>
      context.addIssue({ code: 'custom', path: [setting], message });
    const { issuer, jwksUrl, publicKey, publicKeyFile, secret, secretFile, algorithms } = settings;
    const sources = { jwksUrl, publicKey, publicKeyFile, secret, secretFile };
    const [first, second] = (Object.keys(sources) as (keyof typeof sources)[]).filter(
      (name) => sources[name] !== undefined,
    );
    if (second) problem(second, 'must not be set with another source of keys');
    if (!first && !HttpUrl.safeParse(issuer).success)
      problem('issuer', 'must be an http or https URL, unless a key or the URL of a key set is given');
    const allowed = first?.startsWith('secret') ? HMAC_ALGORITHMS : ASYMMETRIC_ALGORITHMS;
    if (algorithms?.some((name) => !allowed.includes(name))) problem('algorithms', `must be of ${allowed.join(', ')}`);
  });

export type IssuerSettingName = keyof z.input<typeof IssuerSettings>;

/** The configuration of one issuer. Its keys are static, or read from the issuer or `jwksUrl`. */
export type IssuerConfig = Pick<z.output<typeof IssuerSettings>, 'issuer' | 'jwksUrl' | 'clockToleranceS'> & {
  readonly audiences: readonly string[];
  readonly algorithms: readonly string[];
  readonly claims: {
    readonly subject: string;
    readonly scopes: readonly string[];
    readonly tenant: string | undefined;
    readonly customerEmail: string | undefined;
  };
  readonly staticKey: KeyObject | Uint8Array | undefined;
  /** The file with the static key, if it is in one that `AUTH_CONFIG` names. */
  readonly keyFile: string | undefined;
};

/** The problem of a setting, for the operator. Never contains its value. */
export type SettingProblem = { readonly setting: string; readonly message: string };

/** Reads the settings of one issuer. The paths of files are relative to `folder`. Returns the problems if there are any. */
export const readIssuer = (settings: unknown, folder: string): IssuerConfig | readonly SettingProblem[] => {
  const { data, error } = IssuerSettings.safeParse(settings, { error: toRequirement });
  if (!data) return error.issues.map(toProblem);
  const { issuer, jwksUrl, clockToleranceS, publicKeyFile, secretFile } = data;
  const keyFile = publicKeyFile ?? secretFile;
  const textOf = (setting: 'publicKey' | 'secret'): string | undefined => {
    const path = data[`${setting}File`];
    return path === undefined ? data[setting] : readText(`${setting}File`, resolve(folder, path));
  };
  try {
    const [publicKey, secret] = [textOf('publicKey'), textOf('secret')];
    return {
      issuer,
      jwksUrl,
      clockToleranceS,
      audiences: data.audience,
      algorithms: data.algorithms ?? (secret === undefined ? ASYMMETRIC_ALGORITHMS : HMAC_ALGORITHMS),
      claims: {
        subject: data.subjectClaim,
        scopes: data.scopeClaim,
        tenant: data.tenantClaim,
        customerEmail: data.customerEmailClaim,
      },
      staticKey: toPublicKey(publicKey) ?? toSecret(secret),
      keyFile: keyFile === undefined ? undefined : resolve(folder, keyFile),
    };
  } catch (problem) {
    if (problem instanceof SettingError) return [problem];
    throw problem;
  }
};

const toProblem = (issue: z.core.$ZodIssue): SettingProblem =>
  issue.code === 'unrecognized_keys'
    ? { setting: String(issue.keys[0]), message: 'is not a setting of an issuer' }
    : { setting: String(issue.path[0] ?? ''), message: issue.message };

class SettingError extends Error implements SettingProblem {
  readonly setting: string;

  constructor(setting: string, message: string) {
    super(message);
    this.setting = setting;
  }
}

const readText = (setting: IssuerSettingName, path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    throw new SettingError(setting, 'the file cannot be read');
  }
};

const toSecret = (text: string | undefined): Uint8Array | undefined => {
  if (text === undefined) return undefined;
  const secret = new TextEncoder().encode(text);
  if (secret.length < MIN_SECRET_LENGTH)
    throw new SettingError('secret', `must have at least ${MIN_SECRET_LENGTH} characters`);
  return secret;
};

const toPublicKey = (text: string | undefined): KeyObject | undefined => {
  if (text === undefined) return undefined;
  // Environment variables often have the line breaks of a PEM file as `\n`.
  const pem = text.replaceAll('\\n', '\n');
  try {
    // Node would derive the public key from a private one, which has no place here.
    if (!pem.includes('PRIVATE KEY')) return createPublicKey(pem);
  } catch {
    // Reported below.
  }
  throw new SettingError('publicKey', 'must be a public key or a certificate, as PEM');
};
