/*
 * Generated supergraphs of any number of subgraphs, and operations over many of them. Each subgraph owns one type, contributes a
 * field and one with `@requires` to the type of its neighbour, and a score to the accounts that all share.
 */

/** Writes a supergraph of at least three subgraphs. Composing 200 of them takes a minute. */
export const writeSupergraph = (count: number): string => {
  const subgraphs = Array.from({ length: count }, (_, index) => index);
  const of = (index: number): string => `(graph: SUB${index})`;
  const things = subgraphs.map((index) => {
    const next = (index + 1) % count;
    const previous = (index + count - 1) % count;
    return `
      type Thing${index} @join__type(graph: SUB${previous}, key: "id") @join__type(graph: SUB${index}, key: "id") {
        id: ID!
        size${index}: Int @join__field(graph: SUB${previous}, external: true) @join__field${of(index)}
        note${previous}: String @join__field${of(previous)}
        postage${previous}: Int @join__field(graph: SUB${previous}, requires: "size${index}")
        name${index}: String! @join__field${of(index)}
        next${index}: Thing${next} @join__field${of(index)}
        owner${index}: Account @join__field${of(index)}
      }`;
  });
  const accountFields = subgraphs.map(
    (index) => `score${index}: Int @join__field${of(index)} name${index}: String @join__field${of(index)}`,
  );
  const lines = (write: (index: number) => string): string => subgraphs.map(write).join('\n');
  return `
    schema
      @link(url: "https://specs.apollo.dev/link/v1.0")
      @link(url: "https://specs.apollo.dev/join/v0.3", for: EXECUTION) { query: Query }
    directive @join__enumValue(graph: join__Graph!) repeatable on ENUM_VALUE
    directive @join__field(graph: join__Graph, requires: join__FieldSet, provides: join__FieldSet, type: String, external: Boolean, override: String, usedOverridden: Boolean) repeatable on FIELD_DEFINITION | INPUT_FIELD_DEFINITION
    directive @join__graph(name: String!, url: String!) on ENUM_VALUE
    directive @join__implements(graph: join__Graph!, interface: String!) repeatable on OBJECT | INTERFACE
    directive @join__type(graph: join__Graph!, key: join__FieldSet, extension: Boolean! = false, resolvable: Boolean! = true, isInterfaceObject: Boolean! = false) repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR
    directive @join__unionMember(graph: join__Graph!, member: String!) repeatable on UNION
    directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
    scalar join__FieldSet
    scalar link__Import
    enum link__Purpose { SECURITY EXECUTION }
    enum join__Graph { ${lines((index) => `SUB${index} @join__graph(name: "sub${index}", url: "http://127.0.0.1:1/sub${index}")`)} }
    type Query ${lines((index) => `@join__type${of(index)}`)} {
      ${lines((index) => `things${index}(first: Int = 5): [Thing${index}!]! @join__field${of(index)}`)}
    }
    type Account ${lines((index) => `@join__type(graph: SUB${index}, key: "id")`)} { id: ID! ${accountFields.join('\n')} }
    ${things.join('\n')}
  `;
};

/** The number of subgraphs that one operation reads, if there are as many. */
const MAX_CROSSED = 50;

/** Writes an operation over all subgraphs of a generated graph, or `most` of them. `variant` makes its text another one. */
export const writeCrossing = (count: number, variant = 0, most = MAX_CROSSED): string => {
  const roots = Array.from({ length: Math.min(count, most) }, (_, index) => {
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
