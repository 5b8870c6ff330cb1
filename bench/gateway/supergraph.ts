import { composeServices } from '@apollo/composition';
import { parse } from 'graphql';
import { SCHEMAS } from './shop.ts';

/** Composes the supergraph of the heavy query, with each subgraph at `<subgraphs>/<its name>`. */
export const composeShop = (subgraphs: string): string => {
  const services = Object.entries(SCHEMAS).map(([name, text]) => ({
    name,
    typeDefs: parse(text),
    url: `${subgraphs}/${name}`,
  }));
  const { errors, supergraphSdl } = composeServices(services);
  if (errors) throw new Error(String(errors[0]));
  return supergraphSdl;
};
