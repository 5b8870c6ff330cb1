import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { ROOT } from './processes.ts';

/* The recording rules and alerts in deploy/prometheus. */

export const RULES_FOLDER = join(ROOT, 'deploy/prometheus/rules');

const Rule = z.strictObject({
  record: z.string().optional(),
  alert: z.string().optional(),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
});
const RuleFile = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string(), rules: z.array(Rule) })),
});

export type Rule = z.output<typeof Rule>;

/** All rules. Throws if a file has a field that is not known here. */
export const rules: readonly Rule[] = readdirSync(RULES_FOLDER).flatMap((file) =>
  RuleFile.parse(parse(readFileSync(join(RULES_FOLDER, file), 'utf8'))).groups.flatMap((group) => group.rules),
);

/** The alerts, each with its name. Two can have the same name. */
export const alerts = rules.flatMap((rule) => (rule.alert === undefined ? [] : [{ ...rule, alert: rule.alert }]));

/** The recording rules, each with its name. */
export const recordings = rules.flatMap((rule) =>
  rule.record === undefined ? [] : [{ ...rule, record: rule.record }],
);

/** Returns the metrics that an expression reads, without its texts, functions and labels. */
export const metricsIn = (expr: string): string[] =>
  [
    ...expr
      .replaceAll(/"[^"]*"/g, '')
      .matchAll(/\b(?:(?:tributary|process|nodejs|v8js|http_server)_\w+|up|\w+:\w+(?::\w+)*)\b/g),
  ].map(([name]) => name);
