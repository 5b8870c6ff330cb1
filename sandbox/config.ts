import { z } from 'zod';
import { HttpUrl } from '../runtime/env.ts';
import { HttpEnv } from '../runtime/http-limits.ts';

/** Creates the schema of a sandbox process's variables, for the providers with these names. */
export const createSandboxProcessEnv = (providers: readonly string[]) =>
  HttpEnv.pick({ NODE_ENV: true, HOST: true, ALLOWED_HOSTS: true }).extend({
    SANDBOXES: z
      .string()
      .default(providers.join(','))
      .transform((value) => value.split(',').map((name) => name.trim()))
      .pipe(z.array(z.enum(providers, `must be a list of: ${providers.join(', ')}`)).min(1)),
    /** The first sandbox's port; the others use the following ports. */
    PORT: z.coerce.number().int().min(0).max(65_533).default(4011),
    SANDBOX_CONTROL: z.enum(['on', 'off']).optional(),
    SANDBOX_WEBHOOK_URL: HttpUrl.optional(),
    SANDBOX_WEBHOOK_SECRET: z.string().min(16, 'must have at least 16 characters').optional(),
  });
