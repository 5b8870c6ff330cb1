/** The systems of brokers, by the scheme of a URL. */
const SYSTEMS = {
  'redis:': 'redis',
  'rediss:': 'redis',
  'nats:': 'nats',
  'tls:': 'nats',
  'amqp:': 'rabbitmq',
  'amqps:': 'rabbitmq',
  'kafka:': 'kafka',
  'kafkas:': 'kafka',
} as const;

export type BrokerSystem = (typeof SYSTEMS)[keyof typeof SYSTEMS];

/** The address of a broker. */
export type BrokerUrl = {
  readonly system: BrokerSystem;
  /** The URL itself, with the first of its hosts. */
  readonly url: URL;
  /** Hosts with their ports, e.g. `broker-1:9092`. Only NATS and Kafka have several. */
  readonly hosts: readonly string[];
  readonly user: string | undefined;
  readonly password: string | undefined;
};

/** Parses the URL of a broker. Returns undefined if it is invalid: unknown schemes, or characters that are not percent-encoded. */
export const parseBrokerUrl = (text: string): BrokerUrl | undefined => {
  const [, scheme = '', authority = '', rest = ''] = /^([a-z]+:)\/\/([^/?#]+)(.*)$/.exec(text) ?? [];
  if (!isScheme(scheme)) return undefined;
  const system = SYSTEMS[scheme];
  const at = authority.lastIndexOf('@') + 1;
  const hosts = authority.slice(at).split(',');
  if (hosts.length > 1 && system !== 'nats' && system !== 'kafka') return undefined;
  const urls = hosts.map((host) => URL.parse(`${scheme}//${authority.slice(0, at)}${host}${rest}`));
  const [url] = urls;
  if (!url || urls.some((one) => !one?.hostname)) return undefined;
  try {
    return {
      system,
      url,
      hosts: urls.map((one) => one?.host ?? ''),
      user: decodeURIComponent(url.username) || undefined,
      password: decodeURIComponent(url.password) || undefined,
    };
  } catch {
    return undefined;
  }
};

const isScheme = (text: string): text is keyof typeof SYSTEMS => Object.hasOwn(SYSTEMS, text);
