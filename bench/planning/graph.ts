import { composeServices } from '@apollo/composition';
import { parse } from 'graphql';

/*
 * Generated graphs of any number of subgraphs, and operations over many of them. Each subgraph owns one type, contributes a
 * field to the type of its neighbour, and a score to the accounts that all share.
 */

const schemaOf = (index: number, count: number): string => {
  const next = (index + 1) % count;
  return `
    extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@external", "@requires"])
    type Query { things${index}(first: Int = 5): [Thing${index}!]! }
    type Thing${index} @key(fields: "id") {
      id: ID!
      name${index}: String!
      size${index}: Int
      next${index}: Thing${next}
      owner${index}: Account
    }
    type Thing${next} @key(fields: "id") {
      id: ID!
      size${next}: Int @external
      note${index}: String
      postage${index}: Int @requires(fields: "size${next}")
    }
    type Account @key(fields: "id") { id: ID! score${index}: Int name${index}: String }
  `;
};

/** Composes a supergraph of at least three subgraphs. */
export const composeGenerated = (count: number): string => {
  const services = Array.from({ length: count }, (_, index) => ({
    name: `sub${index}`,
    typeDefs: parse(schemaOf(index, count)),
    url: `http://127.0.0.1:1/sub${index}`,
  }));
  const { errors, supergraphSdl } = composeServices(services);
  if (errors) throw new Error(String(errors[0]));
  return supergraphSdl;
};

/** Most subgraphs that one operation reads. */
const MAX_CROSSED = 50;

/** Writes an operation over all subgraphs of a generated graph, or 50 of them. `variant` makes its text another one. */
export const writeCrossing = (count: number, variant = 0): string => {
  const roots = Array.from({ length: Math.min(count, MAX_CROSSED) }, (_, index) => {
    const [next, other] = [(index + 1) % count, (index + 2) % count];
    return `things${index}(first: ${5 + variant}) {
      id name${index} size${index}
      next${index} {
        id name${next} note${index} postage${index}
        owner${next} { id score${next} score${other} name${index} }
      }
    }`;
  });
  return `query Crossing { ${roots.join('\n')} }`;
};

/** Writes a small operation over three subgraphs. */
export const writeSmall = (variant = 0): string =>
  `query Small { things0(first: ${5 + variant}) { id name0 next0 { name1 note0 owner1 { score2 } } } }`;
