/** The sender of a request and their rights. */
export type Identity = {
  /** How the sender was authenticated. `none`: no authentication is configured, so everyone may do everything. */
  readonly method: 'none' | 'anonymous' | 'jwt' | 'api-key' | 'certificate';
  /** A stable name for audit and limits: a token's `sub`, the name of a key, the subject of a certificate. */
  readonly subject: string;
  readonly scopes: ReadonlySet<string>;
  /** The tenant whose provider credentials are used. Default: the configured ones. */
  readonly tenant?: string | undefined;
  /** The customer to whose data the sender is confined, whatever the scopes: a valid address, in lower case. */
  readonly customerEmail?: string | undefined;
  /** The verified claims of a token. */
  readonly claims: Readonly<Record<string, unknown>>;
};

/** The identity of every request if no authentication is configured. */
export const UNRESTRICTED: Identity = { method: 'none', subject: 'anyone', scopes: new Set(), claims: {} };

/** The identity of a request without credentials. */
export const ANONYMOUS: Identity = { method: 'anonymous', subject: 'anonymous', scopes: new Set(), claims: {} };

/** Whether the sender has proved who they are, or need not. */
export const isAuthenticated = ({ method }: Identity): boolean => method !== 'anonymous';

/** The scope of a customer's own data. It grants access to fields that show everybody's data to a sender who is not confined. */
const SELF_READ = 'self:read';

/** Whether the sender has a scope, or needs none. Only a customer can have `self:read`. */
export const hasScope = ({ method, scopes, customerEmail }: Identity, scope: string): boolean =>
  method === 'none' || (scopes.has(scope) && (scope !== SELF_READ || customerEmail !== undefined));
