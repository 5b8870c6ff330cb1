import { z } from 'zod';
import { setting } from './settings.ts';

/* The configuration of polling a provider for changes: one variable. */

type WithPoll = { readonly envPrefix: string; readonly title: string; readonly poll?: unknown };

/** Returns the name of the variable that turns on polling a provider. */
export const pollVariableOf = ({ envPrefix }: Pick<WithPoll, 'envPrefix'>): string => `${envPrefix}_POLL_S`;

/** The interval at which a sandbox is polled unless another one is set, in seconds. */
export const SANDBOX_POLL_S = 2;

/** The longest interval, in seconds. */
const MAX_POLL_S = 3_600;

/** Returns the variables of polling a provider by name: none if it is not polled. The value is the interval in seconds, or `off`. */
export const pollSettingsOf = (provider: WithPoll) => {
  if (!provider.poll) return {};
  const schema = z
    .string()
    .refine(
      (text) => text === 'off' || (/^[1-9]\d*$/.test(text) && Number(text) <= MAX_POLL_S),
      `must be off, or a number of seconds from 1 to ${MAX_POLL_S}`,
    )
    .transform((text) => (text === 'off' ? text : Number(text)))
    .optional();
  const description =
    'Turns on polling for changes: seconds after which each watched value is compared again, or `off`. ' +
    `Default: off; ${SANDBOX_POLL_S} for the sandbox in the gateway's process. See [events](events.md#polling).`;
  return { [pollVariableOf(provider)]: setting(schema, description, { example: '60' }) };
};
