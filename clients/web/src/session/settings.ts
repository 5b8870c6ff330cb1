/** The sign-in settings. The desk is a public client of an OpenID Connect issuer. */
export type SignInSettings = {
  readonly issuer: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly audience?: string;
  /** Whether the gateway refuses requests without a token. */
  readonly isRequired: boolean;
};

export type DeskSettings = {
  /** Whether the gateway signs tokens for sample people. */
  readonly hasPeople: boolean;
  /** The subgraphs whose changes can be subscribed to. */
  readonly live: readonly string[];
  readonly signIn?: SignInSettings;
};

/** Reads the settings that the gateway has for the desk; none if they cannot be read. */
export const fetchSettings = async (): Promise<DeskSettings> => {
  try {
    const response = await fetch('/desk/config.json');
    if (response.ok) return (await response.json()) as DeskSettings;
  } catch {
    // The first query fails as well, and says so.
  }
  return { hasPeople: false, live: [] };
};
