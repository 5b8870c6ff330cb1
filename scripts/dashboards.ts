import { writeFile } from 'node:fs/promises';
import { dashboardFiles } from './dashboards/dashboards.ts';

/* `npm run dashboards`: writes the dashboards of deploy/grafana. */

for (const [path, text] of dashboardFiles()) await writeFile(path, text);
