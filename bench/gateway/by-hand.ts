import { createServer } from 'node:http';
import { Pool } from 'undici';

/*
 * The lower bound: hand-written code that sends the heavy query's fetches and assembles its response, without GraphQL, query
 * plans or checks.
 */

const pool = new Pool(process.env['SUBGRAPHS'] as string, { connections: 256 });

// biome-ignore lint/suspicious/noExplicitAny: the lower bound deliberately checks nothing
type Json = Record<string, any>;

const send = async (
  subgraph: string,
  query: string,
  authorization: string,
  representations?: Json[],
): Promise<Json> => {
  const { body } = await pool.request({
    method: 'POST',
    path: `/${subgraph}`,
    headers: { 'content-type': 'application/json', authorization },
    body: JSON.stringify({ query, variables: representations ? { representations } : {} }),
  });
  const { data } = (await body.json()) as { data: Json };
  return data;
};

const entities = (on: string, fields: string): string =>
  `query($representations:[_Any!]!){_entities(representations:$representations){...on ${on}{${fields}}}}`;

const PEOPLE = '{people{id name handle born city}}';
const TOP = '{top(first:5){sku title price weight}}';
const PERSON = entities('Person', 'name handle born city');
const PRODUCT = entities('Product', 'title price weight');
const STOCK = entities('Product', 'inStock postage');
const OF_PERSON = entities(
  'Person',
  'reviews{id text stars about{sku reviews{id text stars by{id reviews{id text stars about{sku}}}}}}',
);
const OF_PRODUCT = entities('Product', 'reviews{id text stars by{id reviews{id text stars about{sku}}}}');

const byKey = async (
  keys: Set<string>,
  ask: (representations: Json[]) => Promise<Json>,
  toKey: (key: string) => Json,
) => {
  const list = [...keys];
  const { _entities } = await ask(list.map(toKey));
  return new Map(list.map((key, index) => [key, _entities[index] as Json]));
};

const answer = async (authorization: string): Promise<string> => {
  const ask = (subgraph: string, query: string) => (representations: Json[]) =>
    send(subgraph, query, authorization, representations);
  const toPerson = (id: string) => ({ __typename: 'Person', id });
  const toProduct = (sku: string) => ({ __typename: 'Product', sku });

  const goodsOf = async (skus: Set<string>): Promise<Map<string, Json>> => {
    const products = await byKey(skus, ask('products', PRODUCT), toProduct);
    const toPriced = (sku: string) => {
      const { price, weight } = products.get(sku) as Json;
      return { __typename: 'Product', sku, price, weight };
    };
    const stock = await byKey(skus, ask('inventory', STOCK), toPriced);
    const goods = new Map<string, Json>();
    for (const [sku, { title, price, weight }] of products) {
      const { inStock, postage } = stock.get(sku) as Json;
      goods.set(sku, { sku, title, price, weight, inStock, postage });
    }
    return goods;
  };
  const lookIn = (reviews: Json[], people: Set<string>, skus: Set<string>): void => {
    for (const { by } of reviews) {
      people.add(by.id);
      for (const { about } of by.reviews) skus.add(about.sku);
    }
  };
  const withBy = (reviews: Json[], people: Map<string, Json>, goods: Map<string, Json>) =>
    reviews.map(({ id, text, stars, by }) => {
      const { name, handle, born, city } = people.get(by.id) as Json;
      const own = by.reviews.map(({ id: review, text: words, stars: given, about }: Json) => ({
        ...{ id: review, text: words, stars: given },
        about: goods.get(about.sku),
      }));
      return { id, text, stars, by: { id: by.id, name, handle, born, city, reviews: own } };
    });

  const peopleBranch = async () => {
    const { people } = await send('accounts', PEOPLE, authorization);
    const { _entities } = await ask('reviews', OF_PERSON)(people.map(({ id }: Json) => toPerson(id)));
    const ids = new Set<string>();
    const skus = new Set<string>();
    for (const { reviews } of _entities) {
      for (const { about } of reviews) {
        skus.add(about.sku);
        lookIn(about.reviews, ids, skus);
      }
    }
    const [known, goods] = await Promise.all([byKey(ids, ask('accounts', PERSON), toPerson), goodsOf(skus)]);
    return people.map(({ id, name, handle, born, city }: Json, index: number) => ({
      ...{ id, name, handle, born, city },
      reviews: _entities[index].reviews.map(({ id: review, text, stars, about }: Json) => {
        const { sku, title, price, weight, inStock, postage } = goods.get(about.sku) as Json;
        const reviews = withBy(about.reviews, known, goods);
        return { id: review, text, stars, about: { sku, title, price, weight, inStock, postage, reviews } };
      }),
    }));
  };
  const topBranch = async () => {
    const { top } = await send('products', TOP, authorization);
    const reviewsOf = async () => {
      const { _entities } = await ask('reviews', OF_PRODUCT)(top.map(({ sku }: Json) => toProduct(sku)));
      const ids = new Set<string>();
      const skus = new Set<string>();
      for (const { reviews } of _entities) lookIn(reviews, ids, skus);
      const [known, goods] = await Promise.all([byKey(ids, ask('accounts', PERSON), toPerson), goodsOf(skus)]);
      return _entities.map(({ reviews }: Json) => withBy(reviews, known, goods));
    };
    const priced = top.map(({ sku, price, weight }: Json) => ({ __typename: 'Product', sku, price, weight }));
    const [reviews, { _entities: stock }] = await Promise.all([reviewsOf(), ask('inventory', STOCK)(priced)]);
    return top.map(({ sku, title, price, weight }: Json, index: number) => {
      const { inStock, postage } = stock[index];
      return { sku, title, price, weight, inStock, postage, reviews: reviews[index] };
    });
  };
  const [people, top] = await Promise.all([peopleBranch(), topBranch()]);
  return JSON.stringify({ data: { people, top } });
};

createServer((request, response) => {
  request.resume().on('end', async () => {
    const text = await answer(request.headers.authorization ?? '');
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
      .end(text);
  });
}).listen(Number(process.env['PORT']), '127.0.0.1');
