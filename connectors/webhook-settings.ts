import { z } from 'zod';
import type { Webhook } from '../events/webhook.ts';
import { setting } from './settings.ts';

/* The configuration of a provider's webhook: one variable with its secrets. */

type WithWebhook = {
  readonly envPrefix: string;
  readonly name: string;
  readonly webhook?: Pick<Webhook<never>, 'signature' | 'secret'> | undefined;
};

/** Returns the name of the variable with the secrets of a provider's webhook. */
export const webhookVariableOf = ({ envPrefix }: Pick<WithWebhook, 'envPrefix'>): string =>
  `${envPrefix}_WEBHOOK_SECRET`;

/** Returns the variables of a provider's webhook by name: none if it has no webhook. The value is the list of live secrets. */
export const webhookSettingsOf = (provider: WithWebhook) => {
  const { webhook } = provider;
  if (!webhook) return {};
  const { secretProblem } = webhook.signature;
  const schema = z
    .string()
    .transform((text, { addIssue }) => {
      const secrets = text.split(',').map((secret) => secret.trim());
      for (const secret of secrets) {
        const message = secretProblem(secret);
        if (message) addIssue({ code: 'custom', message });
      }
      return secrets;
    })
    .optional();
  const description =
    `${webhook.secret} Turns on \`POST /webhooks/${provider.name}\`. While one is replaced, name both, ` +
    'separated by a comma. See [events](events.md).';
  return { [webhookVariableOf(provider)]: setting(schema, description) };
};
