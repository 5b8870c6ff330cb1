import { buildSubgraphSchema } from '@apollo/subgraph';
import { type GraphQLSchema, isObjectType, parse } from 'graphql';
import type { Operation } from './load.ts';
import type { Axis } from './names.ts';

/*
 * The graph of the growth curves. A node's title, rows and left neighbor come from the first subgraph, its right neighbor from the
 * second, and one text from each further one. A query takes the left and the right in turn, so that each of its levels needs the
 * one before, from the other subgraph.
 */

const SUBGRAPHS = 20;
const nameOf = (index: number): string => `s${index}`;

const typeDefsOf = (index: number): string => {
  if (index === 1)
    return `
      extend type Query { nodes(first: Int!): [Node!] }
      type Node @key(fields: "id") { id: ID! title: String left: Node rows(first: Int!): [Row!] }
      type Row { name: String amount: Int open: Boolean }
    `;
  const field = index === 2 ? 'right: Node' : `text${index}: String`;
  return `extend type Node @key(fields: "id") { id: ID! @external ${field} }`;
};

/** The schemas of the subgraphs, by name. */
export const GROWTH_SCHEMAS: Readonly<Record<string, string>> = Object.fromEntries(
  Array.from({ length: SUBGRAPHS }, (_, index) => [nameOf(index + 1), typeDefsOf(index + 1)]),
);

type Node = { id: string };

const list = <T>(length: number, item: (index: number) => T): T[] => Array.from({ length }, (_, index) => item(index));
const numberOf = ({ id }: Node): number => Number(id.slice(1));

// So far apart that no level of the query has a node of another.
const STEP = 1_000;

const resolve = (field: string, node: Node, { first = 0 }: { first?: number }): unknown => {
  if (field === 'nodes') return list(first, (index) => ({ __typename: 'Node', id: `n${index}` }));
  if (field === 'left' || field === 'right') return { __typename: 'Node', id: `n${numberOf(node) + STEP}` };
  if (field === 'rows')
    return list(first, (index) => ({ name: `Row ${index} of ${node.id}`, amount: index * 7, open: index % 2 === 0 }));
  return `The ${field} of node ${node.id}`;
};

/** Creates the executable schema of one subgraph. */
export const createGrowthSchema = (name: string): GraphQLSchema => {
  const schema = buildSubgraphSchema([{ typeDefs: parse(GROWTH_SCHEMAS[name] as string) }]);
  for (const type of ['Query', 'Node'].map((each) => schema.getType(each))) {
    if (!isObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      if (field.name === 'id' || field.name.startsWith('_')) continue;
      field.resolve = (node: Node, args: object) => resolve(field.name, node, args);
    }
  }
  return schema;
};

/** The text and the variables of an operation. */
type Extent = { readonly rows: number; readonly levels: number; readonly subgraphs: number; readonly entities: number };

const BASE: Extent = { rows: 10, levels: 2, subgraphs: 2, entities: 20 };

const operationOf = ({ rows, levels, subgraphs, entities }: Extent): Operation => {
  const texts = list(subgraphs - 2, (index) => `text${index + 3}`).join(' ');
  const selectionOf = (level: number): string => {
    const next = level < levels ? `${level % 2 === 0 ? 'left' : 'right'} { ${selectionOf(level + 1)} }` : '';
    return `id title rows(first: ${rows}) { name amount open } ${texts} ${next}`;
  };
  return { query: `query Growth { nodes(first: ${entities}) { ${selectionOf(1)} } }` };
};

const FIELDS: Readonly<Record<Axis, keyof Extent>> = {
  answer: 'rows',
  depth: 'levels',
  subgraphs: 'subgraphs',
  entities: 'entities',
};

/** The operation that is `factor` times as large on one axis as the smallest one. */
export const growthOperation = (axis: Axis, factor: number): Operation =>
  operationOf({ ...BASE, [FIELDS[axis]]: BASE[FIELDS[axis]] * factor });
