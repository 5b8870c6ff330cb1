import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { parseArgs } from 'node:util';
import { print } from 'graphql';
import { z } from 'zod';
import type { StartedGateway } from '../gateway/started-gateway.ts';
import { type Assumed, assumeVariables, formatAssumed } from './cost/assume-variables.ts';
import {
  DocumentError,
  type FoundOperation,
  findOperations,
  readDocuments,
  validateOperation,
} from './cost/documents.ts';
import { type Endpoint, EndpointError, type Explained, explain, readSchema, requireEstimates } from './cost/explain.ts';
import { formatEstimate, formatPlan } from './cost/format.ts';

/* `npm run explain`: estimates the provider calls of operations without executing them. */

const USAGE = `Usage: npm run explain -- <file.graphql>… [options]
  --operation <name>   only this operation
  --variables <json>   values of variables, as JSON or as the name of a JSON file
  --url <url>          a running gateway, with its settings and measurements. Default: the bundled graph, with neither
  --header <header>    sent to that gateway, e.g. 'authorization: Bearer …'. May be repeated.
  --plan               also print the query plan
  --json               print JSON`;

class UsageError extends Error {}

const readArguments = () => {
  const { values, positionals: files } = parseArgs({
    allowPositionals: true,
    options: {
      operation: { type: 'string' },
      variables: { type: 'string' },
      url: { type: 'string' },
      header: { type: 'string', multiple: true },
      plan: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  });
  if (files.length === 0) throw new UsageError('Name a file with operations.');
  if (values.header && values.url === undefined) throw new UsageError('--header needs --url.');
  return {
    ...values,
    files,
    variables: readVariables(values.variables),
    url: values.url === undefined ? undefined : toGraphqlUrl(values.url),
    headers: Object.fromEntries((values.header ?? []).map(readHeader)),
  };
};

const Variables = z.record(z.string(), z.unknown());

const readVariables = (given: string | undefined): z.infer<typeof Variables> => {
  if (given === undefined) return {};
  try {
    return Variables.parse(JSON.parse(given.trimStart().startsWith('{') ? given : readFileSync(given, 'utf8')));
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw new UsageError(
      isMissing ? `--variables: there is no file ${given}.` : '--variables must be a JSON object, or a file with one.',
    );
  }
};

const toGraphqlUrl = (text: string): string => {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) throw new UsageError('--url must be an http or https URL.');
  if (url.pathname === '/') url.pathname = '/graphql';
  return url.href;
};

const readHeader = (text: string): [string, string] => {
  const [, name, value] = /^([\w!#$%&'*+.^`|~-]+):\s*(.*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new UsageError("--header must have the form 'name: value'.");
  return [name, value];
};

type Result = { readonly operation: FoundOperation; readonly assumed: Assumed; readonly explained: Explained };

const explainAll = async (
  endpoint: Endpoint,
  operations: readonly FoundOperation[],
  given: Readonly<Record<string, unknown>>,
): Promise<Result[]> => {
  const schema = await readSchema(endpoint);
  const results: Result[] = [];
  for (const operation of operations) {
    const errors = schema ? validateOperation(schema, operation) : [];
    const assumed = schema ? assumeVariables(schema, operation.definition, given) : {};
    const request = { query: print(operation.document), variables: { ...assumed, ...given } };
    const explained = errors.length > 0 ? { errors } : await explain(endpoint, request);
    results.push({ operation, assumed, explained });
  }
  return results;
};

const formatResult = ({ operation, assumed, explained }: Result, withPlan: boolean): string => {
  const title = `${operation.definition.operation} ${operation.name}`.trim();
  if (explained.errors) return [title, ...explained.errors.map((message) => `  ${message}`)].join('\n');
  const assumptions = Object.entries(assumed).map(([name, value]) => `$${name} = ${formatAssumed(value)}`);
  return [
    title,
    formatEstimate(explained.explanation),
    ...(assumptions.length > 0 ? [`Assumed: ${assumptions.join(', ')}. Set other values with --variables.`] : []),
    ...(withPlan ? [formatPlan(explained.explanation.plan)] : []),
  ].join('\n');
};

const toJson = (results: readonly Result[]): string =>
  JSON.stringify(
    results.map(({ operation: { name, file }, assumed, explained }) => ({
      operation: name,
      file,
      assumed,
      ...(explained.errors ? { errors: explained.errors } : { explain: explained.explanation }),
    })),
    null,
    2,
  );

enableCompileCache();
let gateway: StartedGateway | undefined;
try {
  const { files, url, headers, variables, operation: wanted, json = false, plan = false } = readArguments();
  const all = findOperations(await readDocuments(files));
  const operations = all.filter(({ name }) => wanted === undefined || name === wanted);
  if (operations.length === 0) {
    const names = all.map(({ name }) => name || '(without a name)').join(', ');
    throw new DocumentError(
      wanted === undefined || all.length === 0
        ? `${files.join(', ')}: no operations.`
        : `There is no operation ${wanted}. There are: ${names}.`,
    );
  }
  const declared = operations.flatMap(({ definition }) => definition.variableDefinitions ?? []);
  const unknown = Object.keys(variables).filter(
    (name) => !declared.some(({ variable }) => variable.name.value === name),
  );
  if (unknown.length > 0) throw new DocumentError(`No operation has the variable $${unknown.join(', $')}.`);
  // Loaded only where it is used, because the gateway is slow to load.
  if (url === undefined) gateway = await (await import('./cost/estimating-gateway.ts')).startEstimatingGateway();
  const endpoint = { url: url ?? `${gateway?.url}/graphql`, headers };
  await requireEstimates(endpoint);
  const results = await explainAll(endpoint, operations, variables);
  console.log(json ? toJson(results) : results.map((result) => formatResult(result, plan)).join('\n\n'));
  if (results.some(({ explained }) => explained.errors)) process.exitCode = 1;
} catch (error) {
  if (error instanceof UsageError || (error instanceof TypeError && 'code' in error)) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  } else if (error instanceof DocumentError || error instanceof EndpointError) {
    console.error(error.message);
    process.exitCode = 1;
  } else throw error;
} finally {
  await gateway?.close();
}
