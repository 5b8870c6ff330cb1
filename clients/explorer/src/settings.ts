/** Settings of the gateway that this page depends on. */
type Settings = {
  /** Whether it signs tokens for sample people. */
  readonly hasPeople: boolean;
  /** Whether it estimates operations. */
  readonly hasEstimates: boolean;
  /** Whether it serves the status page. */
  readonly hasStatus: boolean;
  /** The subgraphs whose changes can be subscribed to, and those of them whose data are a sandbox's. */
  readonly live: readonly string[];
  readonly sandboxes: readonly string[];
};

const NONE: Settings = { hasPeople: false, hasEstimates: false, hasStatus: false, live: [], sandboxes: [] };

const fetchSettings = async (): Promise<Settings> => {
  const response = await fetch('/graphiql/config.json');
  return response.ok ? ((await response.json()) as Settings) : NONE;
};

let settings: Promise<Settings> | undefined;

/** Returns the settings, which are read once. */
export const readSettings = (): Promise<Settings> => {
  settings ??= fetchSettings().catch(() => NONE);
  return settings;
};
