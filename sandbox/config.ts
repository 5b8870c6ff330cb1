import { z } from 'zod';
import { sandboxes } from './index.ts';

const NAMES = Object.keys(sandboxes) as (keyof typeof sandboxes)[];

/** The variables of a process that runs sandboxes. */
export const SandboxProcessEnv = z.object({
  SANDBOXES: z
    .string()
    .default(NAMES.join(','))
    .transform((value) => value.split(',').map((name) => name.trim()))
    .pipe(z.array(z.enum(NAMES, `must be a list of: ${NAMES.join(', ')}`)).min(1)),
  /** The first sandbox's port; the others take the ones after it. */
  PORT: z.coerce.number().int().min(0).max(65_533).default(4011),
  HOST: z.string().default('127.0.0.1'),
});
