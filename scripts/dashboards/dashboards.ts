import { join } from 'node:path';
import { events } from './events.ts';
import { operations } from './operations.ts';
import { overview } from './overview.ts';
import type { Dashboard } from './panel.ts';
import { processes } from './process.ts';
import { providers } from './providers.ts';
import { toGrafana } from './to-grafana.ts';

export const DASHBOARDS: readonly Dashboard[] = [overview, providers, operations, events, processes];

const FOLDER = join(import.meta.dirname, '../../deploy/grafana/dashboards');

/** Returns the files of all dashboards, by their paths. */
export const dashboardFiles = (): ReadonlyMap<string, string> =>
  new Map(
    DASHBOARDS.map((dashboard) => [
      join(FOLDER, `${dashboard.uid.replace('tributary-', '')}.json`),
      `${JSON.stringify(toGrafana(dashboard), null, 2)}\n`,
    ]),
  );
