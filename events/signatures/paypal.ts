import { createSign, createVerify, type KeyLike, X509Certificate } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { LRUCache } from 'lru-cache';
import { isOutdated, type SignatureScheme, type SignedRequest, type VerifyOptions } from './scheme.ts';

const ID = 'paypal-transmission-id';
const TIME = 'paypal-transmission-time';
const SIGNATURE = 'paypal-transmission-sig';
const CERTIFICATE = 'paypal-cert-url';
const ALGORITHM = 'paypal-auth-algo';

/** The only algorithm that is accepted, whatever the header names. */
const RSA_SHA256 = 'SHA256withRSA';

/** Age up to which a delivery is accepted, in milliseconds: its time stays that of the first attempt, and PayPal repeats for three days. */
const MAX_AGE_MS = 73 * 3_600_000;

const MAX_CERTIFICATES = 20;
const CERTIFICATE_TTL_MS = 3_600_000;
/** Time for which a certificate that could not be loaded is not loaded again, in milliseconds. */
const FAILURE_TTL_MS = 10_000;
const MAX_LOADING = 4;
const TIMEOUT_MS = 5_000;
const MAX_CERTIFICATE_BYTES = 64 * 1024;

export type CertificateOptions = {
  /** The host names that may serve certificates; those below them too. */
  readonly hosts: readonly string[];
  /** Loads a text over HTTPS. Default: fetch. */
  readonly load?: (url: string) => Promise<string>;
};

const messageOf = (id: string, time: string, webhookId: string, body: Uint8Array): string =>
  `${id}|${time}|${webhookId}|${crc32(body)}`;

type Signing = {
  readonly id: string;
  readonly webhookId: string;
  readonly nowMs: number;
  readonly key: KeyLike;
  readonly certificateUrl: string;
};

/** Returns the headers of a delivery. */
const sign = (
  body: Uint8Array,
  { id, webhookId, nowMs, key, certificateUrl }: Signing,
): Readonly<Record<string, string>> => {
  const time = new Date(nowMs).toISOString();
  const signature = createSign('RSA-SHA256')
    .update(messageOf(id, time, webhookId, body))
    .sign(key, 'base64');
  return { [ID]: id, [TIME]: time, [SIGNATURE]: signature, [CERTIFICATE]: certificateUrl, [ALGORITHM]: RSA_SHA256 };
};

const fetchText = async (url: string): Promise<string> => {
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok || !response.body) throw new Error(`The certificate has status ${response.status}.`);
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_CERTIFICATE_BYTES) throw new Error('The certificate is too large.');
  }
  return text;
};

/** Returns whether a URL may name a certificate: at one of the provider's hosts, over HTTPS. Anybody may send the header. */
const isTrusted = (text: string, hosts: readonly string[]): boolean => {
  const url = URL.parse(text);
  if (url?.protocol !== 'https:' || url.port !== '' || url.username !== '' || url.password !== '') return false;
  return hosts.some((host) => url.hostname === host || url.hostname.endsWith(`.${host}`));
};

/** Loads certificates, each once an hour. A forger can make it request any path at the trusted hosts, so it is bounded. */
const createCertificates = ({ load = fetchText }: CertificateOptions) => {
  const known = new LRUCache<string, Promise<X509Certificate | undefined>>({ max: MAX_CERTIFICATES });
  let loading = 0;
  return async (url: string): Promise<X509Certificate | undefined> => {
    const found = known.get(url);
    if (found) return found;
    if (loading >= MAX_LOADING) return undefined;
    loading += 1;
    const loaded = load(url)
      .then((text) => new X509Certificate(text))
      .catch(() => undefined)
      .finally(() => {
        loading -= 1;
      });
    known.set(url, loaded);
    const certificate = await loaded;
    known.set(url, loaded, { ttl: certificate ? CERTIFICATE_TTL_MS : FAILURE_TTL_MS });
    return certificate;
  };
};

const isValidAt = ({ validFrom, validTo }: X509Certificate, nowMs: number): boolean =>
  Date.parse(validFrom) <= nowMs && nowMs <= Date.parse(validTo);

/**
 * Creates PayPal's scheme: RSA-SHA256 of the transmission's id and time, the id of the webhook and the CRC-32 of the body, with the
 * certificate at a URL in a header. The certificate is trusted because it comes from a host of PayPal over TLS. In place of a
 * secret, the configuration has the id of the webhook.
 * Source: https://developer.paypal.com/api/rest/webhooks/rest/
 */
export const createPayPalSignature = (options: CertificateOptions) => {
  const certificateAt = createCertificates(options);
  const verify = async ({ header, body }: SignedRequest, { secrets, ...rest }: VerifyOptions) => {
    const [id, time, signature, url] = [header(ID), header(TIME), header(SIGNATURE), header(CERTIFICATE)];
    if (!id || !time || !signature || !url) return 'missing' as const;
    const timeMs = Date.parse(time);
    const isWellFormed = header(ALGORITHM) === RSA_SHA256 && /^[\w+/]{16,2000}={0,2}$/.test(signature);
    if (!isWellFormed || Number.isNaN(timeMs) || !isTrusted(url, options.hosts)) return 'malformed' as const;
    const toleranceMs = Math.max(rest.toleranceMs, MAX_AGE_MS);
    if (isOutdated(timeMs, { ...rest, secrets, toleranceMs })) return 'timestamp' as const;
    const certificate = await certificateAt(url);
    if (!certificate || !isValidAt(certificate, rest.nowMs)) return 'certificate' as const;
    const { publicKey } = certificate;
    if (publicKey.asymmetricKeyType !== 'rsa') return 'certificate' as const;
    const isSigned = secrets.some((webhookId) =>
      createVerify('RSA-SHA256')
        .update(messageOf(id, time, webhookId, body))
        .verify(publicKey, signature, 'base64'),
    );
    return isSigned ? undefined : ('signature' as const);
  };
  return {
    name: 'PayPal',
    signsUrl: false,
    secretProblem: (webhookId: string) =>
      /^[\w-]{10,50}$/.test(webhookId) ? undefined : 'must be the id of a webhook',
    sign,
    verify,
  } satisfies SignatureScheme & { readonly sign: unknown };
};
