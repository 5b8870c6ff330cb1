import { execute, type GraphQLSchema, parse } from 'graphql';
import { createGrowthSchema, GROWTH_SCHEMAS } from './growth.ts';
import { startReplay } from './replay.ts';
import { createSchema, SCHEMAS } from './shop.ts';

/* The subgraphs of the heavy query and those of the growth curves over HTTP, each at `/<its name>`. */

const schemas = new Map<string, GraphQLSchema>([
  ...Object.keys(SCHEMAS).map((name) => [`/${name}`, createSchema(name)] as const),
  ...Object.keys(GROWTH_SCHEMAS).map((name) => [`/${name}`, createGrowthSchema(name)] as const),
]);

startReplay(Number(process.env['PORT']), async (path, body) => {
  const schema = schemas.get(path);
  if (!schema) throw new Error(`There is no subgraph at ${path}.`);
  const { query, variables } = JSON.parse(body);
  return JSON.stringify(await execute({ schema, document: parse(query), variableValues: variables }));
});
