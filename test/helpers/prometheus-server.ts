import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { freePort, ROOT, startProcess } from './processes.ts';
import { RULES_FOLDER } from './rules.ts';

/*
 * Runs Prometheus with the project's configuration, in fast motion: it scrapes and evaluates every second, and all windows and
 * waits of the rules pass thirty times as fast. Nothing else is changed, except where the targets are.
 */

const SPEED = 30;
const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

const shorten = (count: string, unit: string): string =>
  `${Math.max(1, Math.round((Number(count) * (UNITS[unit] ?? 1)) / SPEED))}s`;

/** Shortens the windows in an expression: `[5m]` is `[10s]`. */
export const inFastMotion = (expr: string): string =>
  expr.replaceAll(/\[(\d+)([smhd])\]/g, (_, count: string, unit: string) => `[${shorten(count, unit)}]`);

const rulesInFastMotion = (text: string): string =>
  inFastMotion(text).replaceAll(/^( +for: )(\d+)([smhd])$/gm, (_, start: string, count: string, unit: string) => {
    return start + shorten(count, unit);
  });

/** An admin port to scrape, by the name of its service in docker-compose.yml. */
export type Targets = Readonly<Record<string, string>>;

const Config = z.looseObject({
  global: z.record(z.string(), z.string()),
  scrape_configs: z.array(z.looseObject({ dns_sd_configs: z.array(z.unknown()) })),
});

const configure = (folder: string, targets: Targets): string => {
  const {
    global,
    scrape_configs: scraped,
    ...rest
  } = Config.parse(parse(readFileSync(join(ROOT, 'deploy/prometheus/prometheus.yml'), 'utf8')));
  const found = Object.entries(targets).map(([name, url]) => ({
    targets: [new URL(url).host],
    // As discovery by DNS would set it.
    labels: { __meta_dns_name: name },
  }));
  const file = join(folder, 'prometheus.yml');
  writeFileSync(
    file,
    stringify({
      ...rest,
      global: Object.fromEntries(Object.keys(global).map((name) => [name, '1s'])),
      rule_files: [join(folder, 'rules/*.yml')],
      scrape_configs: scraped.map(({ dns_sd_configs: _, ...job }) => ({ ...job, static_configs: found })),
    }),
  );
  cpSync(RULES_FOLDER, join(folder, 'rules'), { recursive: true });
  for (const name of readdirSync(join(folder, 'rules'))) {
    const path = join(folder, 'rules', name);
    writeFileSync(path, rulesInFastMotion(readFileSync(path, 'utf8')));
  }
  return file;
};

export type Sample = { readonly labels: Readonly<Record<string, string>>; readonly value: number };
export type Alert = {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: string;
};

export type Prometheus = {
  /** Evaluates an expression, in fast motion. */
  readonly query: (expr: string) => Promise<readonly Sample[]>;
  /** Returns the pending and firing alerts. */
  readonly alerts: () => Promise<readonly Alert[]>;
  /** Returns the rules whose last evaluation failed, with the reason. */
  readonly failedRules: () => Promise<readonly string[]>;
  readonly close: () => Promise<void>;
};

const Labels = z.record(z.string(), z.string());
const Samples = z.object({
  data: z.object({ result: z.array(z.object({ metric: Labels, value: z.tuple([z.number(), z.string()]) })) }),
});
const Alerts = z.object({
  data: z.object({ alerts: z.array(z.object({ labels: Labels, annotations: Labels, state: z.string() })) }),
});
const RuleStates = z.object({
  data: z.object({
    groups: z.array(
      z.object({
        rules: z.array(z.object({ name: z.string(), health: z.string(), lastError: z.string().optional() })),
      }),
    ),
  }),
});

/** Starts Prometheus, which scrapes these targets. */
export const startPrometheus = async (targets: Targets): Promise<Prometheus> => {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
  const port = await freePort();
  const { ended, output, stop } = startProcess(
    [
      'prometheus',
      `--config.file=${configure(folder, targets)}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    {},
  );
  const url = `http://127.0.0.1:${port}`;
  let hasEnded = false;
  void ended.then(() => {
    hasEnded = true;
  });
  const isReady = () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isReady())) if (hasEnded) throw new Error(`Prometheus exited:\n${output()}`);

  const read = async <Output>(path: string, schema: z.ZodType<Output>): Promise<Output> => {
    const response = await fetch(`${url}/api/v1/${path}`);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${text}`);
    return schema.parse(JSON.parse(text));
  };
  return {
    query: async (expr) => {
      const { data } = await read(`query?query=${encodeURIComponent(inFastMotion(expr))}`, Samples);
      return data.result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }));
    },
    alerts: async () => (await read('alerts', Alerts)).data.alerts,
    failedRules: async () =>
      (await read('rules', RuleStates)).data.groups.flatMap(({ rules }) =>
        rules.flatMap(({ name, health, lastError }) => (health === 'err' ? [`${name}: ${lastError}`] : [])),
      ),
    close: async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
