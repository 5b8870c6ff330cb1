import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { buildSchema, type GraphQLObjectType, getNamedType, isObjectType, isRequiredArgument } from 'graphql';
import {
  createOperationDescriptor,
  Environment,
  fetchQuery,
  type GraphQLTaggedNode,
  getRequest,
  Network,
  RecordSource,
  Store,
} from 'relay-runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { ROOT } from '../helpers/processes.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { hasTool, RELAY_COMPILER } from '../helpers/tools.ts';

/* Relay's own compiler and runtime can page through every list of the graph. */

const SCHEMA = join(ROOT, 'gateway/schema.graphql');
const schema = buildSchema(readFileSync(SCHEMA, 'utf8'));
const Query = schema.getQueryType() as GraphQLObjectType;

const fieldsOf = (type: GraphQLObjectType) => Object.values(type.getFields());

type Operation = { readonly name: string; readonly fragment: string };

/** A fragment per connection of the schema that pages through it, below a root field if necessary. */
const operations: Operation[] = Object.values(schema.getTypeMap()).flatMap((owner) => {
  if (!isObjectType(owner) || owner.name.startsWith('__')) return [];
  const connections = fieldsOf(owner).filter(({ type }) => getNamedType(type).name.endsWith('Connection'));
  return connections.map((field) => {
    const name = `${owner.name}_${field.name}`;
    const list = `${field.name}(first: $first, after: $after) @connection(key: "${name}__${field.name}") {
      edges { node { __typename } }
    }`;
    if (owner === Query) return toOperation(name, list);
    const root = fieldsOf(Query).find(({ type }) => getNamedType(type) === owner);
    if (!root) throw new Error(`No field of Query gives a ${owner.name}.`);
    const ids = root.args.filter((arg) => isRequiredArgument(arg) || arg.name === 'id').map((arg) => arg.name);
    return toOperation(name, `${root.name}(${ids.map((id) => `${id}: $${id}`)}) { ${list} }`, ids);
  });
});

function toOperation(name: string, selection: string, ids: readonly string[] = []): Operation {
  const given = ids.map((id) => `${id}: { type: "ID!" }`);
  const fragment = `fragment ${name} on Query
    @refetchable(queryName: "${name}Query")
    @argumentDefinitions(first: { type: "Int", defaultValue: 3 }, after: { type: "String" } ${given}) { ${selection} }`;
  return { name, fragment };
}

const CUSTOMERS = `query CustomersPageQuery($first: Int!, $after: String) {
  customers(first: $first, after: $after) @connection(key: "CustomersPage_customers") { edges { node { id email } } }
}`;

let project: string;
const compile = async (documents: Readonly<Record<string, string>>): Promise<void> => {
  mkdirSync(join(project, 'src'), { recursive: true });
  cpSync(SCHEMA, join(project, 'schema.graphql'));
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
  const config = { src: './src', schema: './schema.graphql', language: 'javascript', eagerEsModules: true };
  writeFileSync(join(project, 'relay.config.json'), JSON.stringify({ ...config, noSourceControl: true }));
  for (const [name, text] of Object.entries(documents)) {
    writeFileSync(join(project, 'src', `${name}.js`), `graphql\`${text}\`;\n`);
  }
  await promisify(execFile)(RELAY_COMPILER ?? '', ['relay.config.json'], { cwd: project });
};

const generated = (name: string): string => join(project, 'src/__generated__', `${name}.graphql.js`);

describe.skipIf(!hasTool('relay-compiler'))('Relay', () => {
  beforeAll(async () => {
    project = mkdtempSync(join(tmpdir(), 'relay-'));
    await compile({
      CustomersPage: CUSTOMERS,
      ...Object.fromEntries(operations.map(({ name, fragment }) => [name, fragment])),
    });
  });
  afterAll(() => rmSync(project, { recursive: true, force: true }));

  test('every connection of the schema is covered', () => {
    expect(operations.map(({ name }) => name).sort()).toEqual([
      'Customer_deals',
      'Customer_invoices',
      'Customer_payments',
      'Query_customers',
      'Query_deals',
      'Query_payments',
    ]);
  });

  test.each(operations)('the compiler accepts $name as a connection', async ({ name }) => {
    const text = readFileSync(generated(`${name}Query`), 'utf8');
    expect(text).toContain('"handle": "connection"');
    expect(text).toMatch(/pageInfo \{\\n +endCursor\\n +hasNextPage/);
  });

  describe('against the gateway', () => {
    let stack: Stack;
    beforeAll(async () => {
      stack = await startStack();
    });
    afterAll(() => stack.close());

    const load = async (name: string): Promise<GraphQLTaggedNode> =>
      (await import(pathToFileURL(generated(name)).href)).default;

    /** As in docs/clients.md. */
    const createEnvironment = () =>
      new Environment({
        network: Network.create(async ({ text }, variables) => {
          const response = await fetch(`${stack.url}/graphql`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
            body: JSON.stringify({ query: text, variables }),
          });
          return response.json();
        }),
        store: new Store(new RecordSource()),
        getDataID: ({ id }, typename) => (id === undefined ? undefined : `${typename}:${id}`),
      });

    type Customers = {
      customers: {
        edges: { node: { id: string } }[];
        pageInfo: { endCursor: string; hasNextPage: boolean };
      };
    };

    test('the runtime joins the pages of a list', async () => {
      const environment = createEnvironment();
      const query = await load('CustomersPageQuery');
      const read = async (first: number, after: string | null): Promise<Customers> => {
        const operation = createOperationDescriptor(getRequest(query), { first, after });
        await fetchQuery(environment, query, { first, after }).toPromise();
        environment.retain(operation);
        return environment.lookup(operation.fragment).data as Customers;
      };
      const { customers: one } = await read(3, null);
      expect(one.pageInfo.hasNextPage).toBe(true);
      const { customers: two } = await read(4, one.pageInfo.endCursor);
      const people = createCompany().people.slice(0, 7);
      expect(two.edges.map(({ node }) => node.id)).toEqual(people.map(({ id }) => id));
      expect(environment.getStore().getSource().has(`Customer:${people[0]?.id}`)).toBe(true);
    });

    test.each(operations)('$name returns a page', async ({ name }) => {
      const query = await load(`${name}Query`);
      const id = createCompany().people[0]?.id;
      const { params } = getRequest(query);
      const variables = { first: 1, after: null, ...(name.startsWith('Customer_') && { id }) };
      const { data, errors } = await stack.ask<Record<string, object>>(params.text ?? '', variables);
      expect(errors).toBeUndefined();
      expect(JSON.stringify(data)).toContain('"pageInfo":{"endCursor":');
    });
  });
});
