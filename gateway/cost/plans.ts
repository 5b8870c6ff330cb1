import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ConfigError, toRequirement } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import { watchPaths } from '../../runtime/watch-files.ts';
import { loadYaml } from '../../runtime/yaml.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import { CLIENT_WEIGHTS } from '../../subgraphs/kit/protocol/options.ts';
import { claimOf } from '../auth/claims.ts';
import { subjectOfIssuer } from './client.ts';

/** At most `limit` units in any `seconds`. */
export type RateLimit = { readonly limit: number; readonly seconds: number };

/** What a client may use. Limits that are undefined or missing do not apply. */
export type Plan = {
  readonly name: string;
  /** The client's share of what clients compete for, relative to other clients. */
  readonly weight: number;
  readonly requests: RateLimit | undefined;
  /** Provider calls at all subgraphs together. */
  readonly calls: RateLimit | undefined;
  /** Most provider calls of one operation, by subgraph. */
  readonly callsPerOperation: ReadonlyMap<string, number>;
  /** Provider calls in a day of UTC, by subgraph. */
  readonly callsPerDay: ReadonlyMap<string, number>;
};

/** The plans of clients, from a file that may change. */
export type Plans = {
  /** Returns the plan of a sender. Undefined if it has none, and thereby no limits. */
  readonly planOf: (identity: Identity) => Plan | undefined;
  readonly close: () => void;
};

type PlansOptions = {
  /** Returns the names of the subgraphs of the graph. */
  readonly subgraphs: () => Iterable<string>;
  /** Whether a plan that names another subgraph is an error. Otherwise it is logged: the subgraph may be added later. */
  readonly isComplete: boolean;
  readonly log: Log;
};

const MAX_SECONDS = 86_400;
// Products with milliseconds of a day stay exact.
const MAX_LIMIT = 1e8;

const Limit = z.int().min(1).max(MAX_LIMIT);
const Name = z.string().regex(/^[\w.-]{1,64}$/, 'must be a name of at most 64 letters, digits and . _ -');
const RateLimitSchema = z.strictObject({ limit: Limit, seconds: z.int().min(1).max(MAX_SECONDS) });
const CallsBySubgraph = z.record(Name, Limit).default({});

const PlanSchema = z.strictObject({
  // What the headers to subgraphs and the scores in Redis can carry.
  weight: z.number().min(CLIENT_WEIGHTS.min).max(CLIENT_WEIGHTS.max).default(1),
  requests: RateLimitSchema.optional(),
  calls: RateLimitSchema.optional(),
  callsPerOperation: CallsBySubgraph,
  callsPerDay: CallsBySubgraph,
});

/**
 * A sender as the audit log names it: its method of authentication and its subject. Subjects of different issuers may be the same,
 * so that of a token may follow its issuer: `jwt:https://id.example.com#ada`.
 */
const ClientName = z
  .string()
  .regex(/^(jwt|api-key|certificate|anonymous|none):./, 'must have the form <method>:<subject>, e.g. api-key:billing');

const PlansFile = z.strictObject({
  default: Name.optional(),
  plans: z.record(Name, PlanSchema).refine((plans) => Object.keys(plans).length > 0, 'must have at least one plan'),
  clients: z.record(ClientName, Name).default({}),
  claim: z.string().min(1).optional(),
});

type Read = {
  readonly text: string;
  readonly plans: ReadonlyMap<string, Plan>;
  readonly clients: ReadonlyMap<string, string>;
  readonly defaultPlan: string | undefined;
  readonly claim: string | undefined;
};

/**
 * Opens the file of plans that PLANS names, and reads it again when it changes. If it is invalid then, that is logged, and the
 * plans stay as they were. Throws ConfigError if the file is invalid at first.
 */
export const openPlans = async (file: string, options: PlansOptions): Promise<Plans> => {
  const { log } = options;
  let read = await readPlans(file, options);
  const stopWatching = watchPaths(() => [file], {
    log,
    variables: ['PLANS'],
    reload: async () => {
      const before = read.text;
      read = await readPlans(file, options);
      return read.text !== before;
    },
  });
  let isUnknownLogged = false;

  const listedPlan = (identity: Identity): string | undefined => {
    const { method, subject } = identity;
    return read.clients.get(`${method}:${subjectOfIssuer(identity)}`) ?? read.clients.get(`${method}:${subject}`);
  };

  /** Returns the plan that a token names. */
  const claimedPlan = ({ claims }: Identity): string | undefined => {
    if (read.claim === undefined) return undefined;
    const name = claimOf(claims, read.claim);
    if (typeof name === 'string' && read.plans.has(name)) return name;
    if (name !== undefined && !isUnknownLogged) {
      isUnknownLogged = true;
      log.warn(
        { claim: read.claim },
        'A token names a plan that PLANS does not have. Its sender gets the default plan.',
      );
    }
    return undefined;
  };

  return {
    planOf: (identity) => {
      const name = listedPlan(identity) ?? claimedPlan(identity);
      return read.plans.get(name ?? read.defaultPlan ?? '');
    },
    close: stopWatching,
  };
};

const readPlans = async (file: string, { subgraphs, isComplete, log }: PlansOptions): Promise<Read> => {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    const reason = (cause as NodeJS.ErrnoException).code;
    throw new ConfigError(`PLANS: the file ${file} cannot be read${reason ? `: ${reason}` : ''}.`, { cause });
  });
  const parsed = PlansFile.safeParse(parseText(text), { error: toRequirement });
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map(describe).join('\n'));
  const { plans, clients, default: defaultPlan, claim } = parsed.data;
  const known = new Set(subgraphs());
  const problems: string[] = [];
  const check = (place: string, name: string): void => {
    if (!Object.hasOwn(plans, name))
      problems.push(`PLANS: ${place} names the plan ${shownName(name)}, which does not exist.`);
  };
  if (defaultPlan !== undefined) check('default', defaultPlan);
  for (const [index, name] of Object.values(clients).entries()) check(`the ${ordinal(index + 1)} of clients`, name);
  const places = Object.entries(plans).flatMap(([name, plan]) =>
    (['callsPerOperation', 'callsPerDay'] as const).flatMap((budget) =>
      Object.keys(plan[budget]).flatMap((subgraph) =>
        known.has(subgraph) ? [] : [`plans.${shownName(name)}.${budget}.${shownName(subgraph)}`],
      ),
    ),
  );
  if (isComplete) problems.push(...places.map((place) => `PLANS: ${place} is not a subgraph of the graph.`));
  else if (places.length > 0)
    log.warn({ fields: places }, 'PLANS limits calls to subgraphs that the graph does not have.');
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return {
    text,
    plans: new Map(
      Object.entries(plans).map(([name, { weight, requests, calls, callsPerOperation, callsPerDay }]) => [
        name,
        {
          name,
          weight,
          requests,
          calls,
          callsPerOperation: new Map(Object.entries(callsPerOperation)),
          callsPerDay: new Map(Object.entries(callsPerDay)),
        },
      ]),
    ),
    clients: new Map(Object.entries(clients)),
    defaultPlan,
    claim,
  };
};

/** Parses YAML, of which JSON is a part. */
const parseText = (text: string): unknown => {
  const { parse, YAMLParseError } = loadYaml();
  try {
    return parse(text);
  } catch (error) {
    // The parser's message would show what is in the file.
    const line = error instanceof YAMLParseError ? error.linePos?.[0].line : undefined;
    const place = line === undefined ? 'the file' : `line ${line}`;
    const isRepeated = error instanceof YAMLParseError && error.code === 'DUPLICATE_KEY';
    throw new ConfigError(`PLANS: ${place} ${isRepeated ? 'repeats a key of the same object' : 'is not valid YAML'}.`);
  }
};

const describe = ({ path, ...issue }: z.core.$ZodIssue): string => {
  const place = path
    .map((part, index) => (path[0] === 'clients' && index === 1 ? 'a client' : shownName(part)))
    .join('.');
  if (issue.code === 'unrecognized_keys')
    return `PLANS: ${[place, issue.keys.map(shownName).join(', ')].filter(Boolean).join('.')} is unknown.`;
  if (issue.code === 'invalid_key') {
    const owner = path.slice(0, -1).map(shownName).join('.');
    return `PLANS: a name in ${owner} ${issue.issues[0]?.message}.`;
  }
  const requirement =
    issue.code === 'invalid_type' && issue.message !== 'is required' && REQUIRED_TYPES[issue.expected];
  return `PLANS: ${place || 'the file'} ${requirement || issue.message}.`;
};

const REQUIRED_TYPES: Readonly<Record<string, string>> = {
  object: 'must be an object',
  record: 'must be an object',
  string: 'must be text',
};

/** Returns a name of the file if it looks like one. Another may be a secret in the wrong place. */
const shownName = (name: PropertyKey): string =>
  /^[a-zA-Z][\w-]{0,31}$/.test(String(name)) ? String(name) : '(a name)';

const ordinal = (number: number): string => {
  const suffix = ['th', 'st', 'nd', 'rd'][number % 100 > 10 && number % 100 < 14 ? 0 : number % 10] ?? 'th';
  return `${number}${suffix}`;
};
