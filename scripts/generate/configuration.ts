import type { AnyProvider } from '../../connectors/define-provider.ts';
import { pollSettingsOf } from '../../connectors/poll-settings.ts';
import { detailsOf, secretsOf, settingsOf } from '../../connectors/settings.ts';
import { webhookSettingsOf } from '../../connectors/webhook-settings.ts';
import type { SubgraphModule } from '../../subgraphs/kit/subgraph.ts';

/* Generates the documentation of variables and `.env.example` from the providers' definitions. */

const TABLE_HEAD = ['| variable | default | meaning |', '|---|---|---|'];

const defaultOf = (schema: {
  readonly safeParse: (value: unknown) => { readonly success: boolean; readonly data?: unknown };
}) => {
  const { success, data } = schema.safeParse(undefined);
  return success && typeof data !== 'object' ? data : undefined;
};

const cell = (value: unknown): string => {
  if (value === undefined || value === '') return '–';
  return typeof value === 'number' || /^\d+$/.test(String(value)) ? String(value) : `\`${value}\``;
};

const table = (provider: AnyProvider): string => {
  const webhook = webhookSettingsOf(provider);
  const secrets = new Set([...secretsOf(provider), ...Object.keys(webhook)]);
  const own = new Set(Object.keys(provider.settings).map((name) => `${provider.envPrefix}_${name}`));
  const events = { ...webhook, ...pollSettingsOf(provider) };
  for (const name of Object.keys(events)) own.add(name);
  const rows = Object.entries({ ...settingsOf(provider), ...events }).map(([name, schema]) => {
    const { description, example } = detailsOf(schema);
    const fallback = own.has(name) ? defaultOf(schema) : example || 'none';
    const file = secrets.has(name) ? ` May come from a file: \`${name}_FILE\`.` : '';
    return `| \`${name}\` | ${fallback === 'none' ? 'none' : cell(fallback)} | ${description}${file} |`;
  });
  return [...TABLE_HEAD, ...rows].join('\n');
};

/** Generates the sections of `docs/configuration.md` about the providers. */
export const configurationSections = (subgraphs: readonly SubgraphModule[]): string =>
  subgraphs
    .map(({ title, provider }) =>
      [`## ${title}: ${provider.title}`, provider.notes?.intro, table(provider)].filter(Boolean).join('\n\n'),
    )
    .join('\n\n');

/** Generates the table of subgraph URLs in `docs/configuration.md`. */
export const urlTable = (subgraphs: readonly SubgraphModule[]): string =>
  [
    ...TABLE_HEAD,
    ...subgraphs.map(({ name }) => {
      return `| \`${name.toUpperCase()}_URL\` | – | Where the ${name} subgraph is, if not in this process. |`;
    }),
  ].join('\n');

/** Generates the lines of subgraph URLs in `.env.example`. */
export const urlLines = (subgraphs: readonly SubgraphModule[]): string =>
  subgraphs.map(({ name, port }) => `# ${name.toUpperCase()}_URL=http://127.0.0.1:${port}/${name}`).join('\n');

/** Generates the sections of `.env.example` about the providers. */
export const exampleSections = (subgraphs: readonly SubgraphModule[]): string =>
  subgraphs
    .map(({ name, provider }) => {
      const variables = { ...settingsOf(provider), ...webhookSettingsOf(provider), ...pollSettingsOf(provider) };
      const lines = Object.entries(variables).map(([variable, schema]) => {
        return `# ${variable}=${detailsOf(schema).example ?? defaultOf(schema) ?? ''}`;
      });
      return [`# --- ${name}: ${provider.title} ---`, ...lines].join('\n');
    })
    .join('\n\n');
