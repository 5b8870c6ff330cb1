import { type Fields, withFields } from '../../helpers/subgraph-server.ts';
import { SCHEMAS } from './fixture-schemas.ts';

export type Thing = { readonly __typename: string; readonly id: string };
type Args = Readonly<Record<string, unknown>>;

/** Decides whether a field of an object fails, is null, or has its value. */
export type Faults = (type: string, id: string, field: string) => 'error' | 'null' | undefined;

const number = (text: string): number => {
  let hash = 2_166_136_261;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) as number), 16_777_619);
  // The lowest bits of this hash differ little between similar texts.
  return (hash >>> 7) % 100_003;
};

const ids = (seed: string, count: unknown, max = 5): string[] =>
  Array.from({ length: Math.min(typeof count === 'number' ? Math.max(count, 0) : 3, max) }, (_, index) =>
    String(1 + (number(`${seed}${index}`) % 12)),
  );

const item = (id: string): Thing => ({ __typename: 'Item', id });
const part = (__typename: string, id: string): Thing => ({ __typename, id });
const person = (id: string): Thing => ({ __typename: 'Person', id });
const work = (id: string): Thing => ({ __typename: Number(id) % 2 ? 'Book' : 'Film', id });
const note = (id: string): Thing => ({ __typename: 'Note', id });
const book = (id: string): Thing => ({ __typename: 'Book', id: String(2 * Number(id) - 1) });

type Resolve = (object: Thing, args: Args) => unknown;

const weightOf = (id: string, unit: unknown): number =>
  number(`weight${id}`) * (unit === 'kg' ? 3 : unit === 'lb' ? 7 : 1);

/** Values of the fields that require no other fields. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, Resolve>>>> = {
  Query: {
    people: (_, { first }) => ids('people', first).map(person),
    person: (_, { id }) => (Number(id) > 12 ? null : person(String(id))),
    me: () => person('1'),
    works: (_, { first }) => ids('works', first).map(work),
    work: (_, { id }) => work(String(id)),
    find: (_, { text }) => ids(`find${text}`, 4).map((id) => (Number(id) % 3 ? work(id) : person(id))),
    shelf: () => ({ __typename: 'Shelf', id: 'shelf' }),
    notes: (_, { first }) => ids('notes', first).map(note),
    author: () => person('3'),
    viewer: () => part('Viewer', '1'),
    rows: () => [part('Row', '1'), null, part('Row', '2')],
    items: (_, { first }) => ids('items', first).map(item),
    item: (_, { id }) => (Number(id) > 12 ? null : item(String(id))),
  },
  Viewer: {
    since: () => 1999,
    place: () => part('Place', 'v'),
    favourite: () => work('4'),
    shelves: () => ['3', '4', '5'].map((id) => part('Row', id)),
    latest: () => note('2'),
  },
  Row: {
    title: ({ id }) => `Row ${id}`,
    inner: ({ id }) => part('Inner', id),
    cells: ({ id }) => ids(`cells${id}`, 2).map((one) => part('Cell', one)),
    on: ({ id }) => work(ids(`on${id}`, 1)[0] as string),
    count: ({ id }) => Number(id),
    best: ({ id }) => book(id),
  },
  Inner: {
    left: ({ id }) => number(`left${id}`),
    right: ({ id }) => number(`right${id}`),
    spot: ({ id }) => part('Spot', id),
  },
  Spot: { north: ({ id }) => number(`north${id}`), south: ({ id }) => number(`south${id}`) },
  Cell: { a: ({ id }) => number(`a${id}`), b: ({ id }) => number(`b${id}`) },
  Item: {
    label: ({ id }) => `Item ${id}`,
    made: ({ id }) => 1900 + Number(id),
    mark: ({ id }) => `M${id}`,
    near: ({ id }, { first }) => [...ids(`near${id}`, first, 2).map(item), null],
    remarks: ({ id }) => ids(`remarks${id}`, 2).map(note),
  },
  Toy: { age: ({ id }) => Number(id) },
  Tool: { uses: ({ id }) => ids(`uses${id}`, 2).map(work) },
  Mutation: {
    rename: (_, { input }) => work((input as { id: string }).id),
    touch: (_, { id }) => book(String(id)),
  },
  Person: {
    name: ({ id }, { upper }) => (upper ? `PERSON ${id}` : `Person ${id}`),
    nick: ({ id }) => `nick${id}`,
    role: ({ id }) => (Number(id) % 2 ? 'READER' : 'KEEPER'),
    tags: ({ id }) => [`a${id}`, 'b'],
    grid: ({ id }) => [[Number(id), null], [], [3]],
    extra: ({ id }) => ({ any: [id, { deep: true }] }),
    friends: ({ id }, { first }) => ids(`friends${id}`, first).map(person),
    best: ({ id }) => person(ids(`best${id}`, 1)[0] as string),
    home: ({ id }) => ({ __typename: 'Place', id }),
    works: ({ id }, { first }) => ids(`works${id}`, first).map(work),
    notes: ({ id }, { first }) => ids(`notes${id}`, first).map(note),
  },
  Place: { city: ({ id }) => `city ${id}`, street: ({ id }) => `street ${id}`, country: ({ id }) => `country ${id}` },
  Book: {
    title: ({ id }) => `Book ${id}`,
    maker: ({ id }) => person(ids(`maker${id}`, 1)[0] as string),
    pages: ({ id }) => number(`pages${id}`),
    weight: ({ id }, { unit }) => weightOf(id, unit),
    like: ({ id }) => ids(`like${id}`, 2).map(work),
    copies: ({ id }) => number(`copies${id}`),
    notes: ({ id }) => ids(`notesOn${id}`, 2).map(note),
    stars: ({ id }) => number(`stars${id}`) / 7,
  },
  Film: {
    title: ({ id }) => `Film ${id}`,
    maker: ({ id }) => (Number(id) % 4 ? person(ids(`maker${id}`, 1)[0] as string) : null),
    minutes: ({ id }) => number(`minutes${id}`),
    cast: ({ id }) => [ids(`cast${id}`, 2).map(person), null, []],
    copies: ({ id }) => number(`copies${id}`),
    notes: ({ id }) => [...ids(`notesOn${id}`, 1).map(note), null],
  },
  Shelf: { books: () => ids('shelf', 2).map(book), films: () => [{ __typename: 'Film', id: '2' }, null] },
  Note: {
    text: ({ id }) => `Note ${id}`,
    by: ({ id }) => person(ids(`by${id}`, 1)[0] as string),
    on: ({ id }) => work(ids(`on${id}`, 1)[0] as string),
  },
};

/** Fields computed from required fields. */
const REQUIRING: Readonly<Record<string, { readonly needs: readonly [string, Args][]; readonly make: Make }>> = {
  'Person.sign': { needs: [['nick', {}]], make: ([nick]) => `-- ${nick}` },
  'Book.postage': {
    needs: [
      ['pages', {}],
      ['weight', { unit: 'kg' }],
    ],
    make: ([pages, weight], { express }) => ((pages as number) + (weight as number)) * (express ? 2 : 1),
  },
  'Book.freight': { needs: [['weight', { unit: 'lb' }]], make: ([weight]) => `${weight} lb` },
  'Item.bulk': { needs: [['made', {}]], make: ([made]) => (made as number) * 2 },
  'Book.worth': { needs: [['stars', {}]], make: ([stars]) => (stars as number) * 2 },
};
type Make = (needed: readonly unknown[], args: Args) => unknown;

const resolveWith = (faults: Faults, typename: string, field: string, object: Thing, args: Args): unknown => {
  const fault = faults(typename, object.id ?? '', field);
  if (fault === 'error') throw new Error(`${typename}.${field} fails`);
  return fault === 'null' ? null : FIELDS[typename]?.[field]?.(object, args);
};

type ResolverOptions = {
  readonly faults: Faults;
  /** In a subgraph, required values come with the representation. In the reference schema, they are computed. */
  readonly isSubgraph: boolean;
};

/** Creates the resolvers of all fields. Each schema uses those of its own fields. */
export const createFields = ({ faults, isSubgraph }: ResolverOptions): Fields => {
  const fields: Record<string, (object: Thing & Args, args: Args) => unknown> = {};
  for (const [typename, own] of Object.entries(FIELDS)) {
    for (const field of Object.keys(own)) {
      // Values in a representation are not computed again: the subgraph that owns them has provided them.
      fields[`${typename}.${field}`] = (object, args) => resolveWith(faults, typename, field, object ?? {}, args);
    }
  }
  for (const [coordinate, { needs, make }] of Object.entries(REQUIRING)) {
    const [typename = '', field = ''] = coordinate.split('.');
    fields[coordinate] = (object, args) => {
      const fault = faults(typename, object.id, field);
      // A field is not requested if a value that it requires has failed.
      const needed = needs.map(([name, given]) =>
        isSubgraph ? object[name] : resolveWith(faults, typename, name, object, given),
      );
      if (fault === 'error') throw new Error(`${coordinate} fails`);
      return fault === 'null' ? null : make(needed, args);
    };
  }
  for (const type of ['Node', 'Work', 'Found', 'Noted'])
    fields[`${type}.__resolveType`] = (object) => object.__typename;
  // An interface in the subgraph that knows the concrete types, an object type in the others.
  for (const [coordinate, resolve] of Object.entries(fields)) {
    const [typename, field] = coordinate.split('.');
    if (typename === 'Item') for (const type of ['Toy', 'Tool']) fields[`${type}.${field}`] ??= resolve;
  }
  fields['Item.__resolveType'] = ({ id }) => (Number(id) % 2 ? 'Toy' : 'Tool');
  return fields;
};

/** The subgraphs, without faults by default. */
export const createSubgraphs = (faults: Faults = () => undefined) =>
  withFields(SCHEMAS, createFields({ faults, isSubgraph: true }));
