import type { AdminRoute } from '../../runtime/admin/server.ts';
import { type DescribeOptions, describeStatus, type ProcessReport, type SilentProcess } from './describe.ts';
import { createPageRoutes } from './page-routes.ts';

export type StatusOptions = DescribeOptions & {
  /** Reads the reports of the process, or of all workers of a cluster. */
  readonly read: () => readonly ProcessReport[] | Promise<readonly (ProcessReport | SilentProcess)[]>;
};

/** The routes of the status: the page at `/status`, its data at `/status.json`. */
export const createStatusRoutes = ({ read, ...options }: StatusOptions): readonly AdminRoute[] => [
  ...createPageRoutes(),
  {
    path: '/status.json',
    headers: { 'content-type': 'application/json; charset=utf-8' },
    read: async () => JSON.stringify(describeStatus(await read(), options)),
  },
];
