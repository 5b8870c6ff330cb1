/**
 * Test subgraphs of a library. They cover the difficult parts of federation: entities, interfaces and unions across subgraphs,
 * `@requires`, `@provides` and `@interfaceObject`, and objects and lists with fields from several subgraphs.
 */
export const SCHEMAS: Readonly<Record<string, string>> = {
  people: `
    type Query {
      people(first: Int = 2): [Person!]!
      person(id: ID!): Person
      me: Person!
      viewer: Viewer @shareable
    }
    type Viewer { since: Int place: Place @shareable }
    interface Node { id: ID! }
    enum Role { READER KEEPER }
    scalar Json
    type Person implements Node @key(fields: "id") {
      id: ID!
      name(upper: Boolean): String!
      nick: String @shareable
      role: Role!
      tags: [String!]
      grid: [[Int]!]
      extra: Json
      friends(first: Int): [Person!]!
      best: Person
      home: Place @shareable
    }
    type Place @shareable { city: String street: String! }
  `,
  works: `
    type Query {
      works(first: Int = 2): [Work!]!
      work(id: ID!): Work
      find(text: String): [Found]
      author: Person @provides(fields: "nick")
      viewer: Viewer @shareable
      rows: [Row] @shareable
    }
    type Viewer { favourite: Found place: Place @shareable shelves: [Row!] @shareable }
    type Row { title: String! inner: Inner @shareable cells: [Cell!] @shareable on: Found }
    type Inner { left: Int spot: Spot @shareable }
    type Spot { north: Int }
    type Cell { a: Int }
    interface Item @key(fields: "id") { id: ID! label: String! made: Int }
    type Toy implements Item @key(fields: "id") { id: ID! label: String! made: Int age: Int! }
    type Tool implements Item @key(fields: "id") { id: ID! label: String! made: Int uses: [Work!] }
    type Mutation {
      rename(input: RenameInput!): Work
      touch(id: ID!): Book!
    }
    input RenameInput { id: ID! title: String! = "untitled" }
    interface Node { id: ID! }
    interface Work { id: ID! title: String! maker: Person }
    union Found = Book | Film | Person
    type Book implements Work & Node @key(fields: "id") {
      id: ID!
      title: String!
      maker: Person
      pages: Int
      weight(unit: String = "g"): Int
      like: [Work!]!
    }
    type Film implements Work & Node @key(fields: "id") {
      id: ID!
      title: String!
      maker: Person
      minutes: Int!
      cast: [[Person!]]
    }
    type Person @key(fields: "id") {
      id: ID!
      nick: String @external
      works(first: Int): [Work]
      home: Place @shareable
    }
    type Place @shareable { country: String }
  `,
  stock: `
    type Query { shelf: Shelf! rows: [Row] @shareable items(first: Int = 2): [Item!] item(id: ID!): Item viewer: Viewer @shareable }
    type Viewer { shelves: [Row!] @shareable }
    type Row { count: Int inner: Inner @shareable cells: [Cell!] @shareable best: Book }
    type Inner { right: Int! spot: Spot @shareable }
    type Spot { south: Int! }
    type Cell { b: Int! }
    type Item @key(fields: "id") @interfaceObject {
      id: ID!
      made: Int @external
      mark: String
      near(first: Int): [Item]
      bulk: Int @requires(fields: "made")
    }
    type Shelf { books: [Book!] films: [Film]! }
    type Book @key(fields: "id") {
      id: ID!
      pages: Int @external
      weight(unit: String = "g"): Int @external
      copies: Int!
      postage(express: Boolean): Int @requires(fields: "pages weight(unit: \\"kg\\")")
      freight: String @requires(fields: "weight(unit: \\"lb\\")")
      worth: Float @requires(fields: "stars")
      stars: Float @external
    }
    type Film @key(fields: "id") { id: ID! copies: Int }
  `,
  notes: `
    type Query { notes(first: Int = 2): [Note!]! viewer: Viewer @shareable }
    type Viewer { latest: Note }
    type Item @key(fields: "id") @interfaceObject { id: ID! remarks: [Note!] }
    type Note @key(fields: "id") { id: ID! text: String! by: Person! on: Noted }
    union Noted = Book | Film
    type Person @key(fields: "id") {
      id: ID!
      nick: String @external
      notes(first: Int): [Note!]!
      sign: String! @requires(fields: "nick")
    }
    type Book @key(fields: "id") { id: ID! notes: [Note!] stars: Float }
    type Film @key(fields: "id") { id: ID! notes: [Note] }
  `,
};
