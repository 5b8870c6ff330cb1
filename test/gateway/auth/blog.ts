import type { SubgraphDefinition } from '../../helpers/subgraph-server.ts';

/* Two subgraphs in which every kind of element has an access rule. */

const AUTHOR = { __typename: 'User', id: '1', name: 'Ada', email: 'ada@blog.example', rating: 5, role: 'EDITOR' };
const PUBLIC = { __typename: 'PublicBlog', id: '10', title: 'Open', views: 7, author: AUTHOR };
const PRIVATE = { __typename: 'PrivateBlog', id: '11', title: 'Closed', draft: 'More', author: AUTHOR };

const blog: SubgraphDefinition = {
  schema: `
    type Query {
      posts: [Post]
      feed: [Entry!]
      me: User @authenticated
      user: User
      users: [User!]!
      card: Card
      stats: Stats @shareable @requiresScopes(scopes: [["stats"], ["admin"]])
      both: Int @authenticated @requiresScopes(scopes: [["a"], ["b"]]) @policy(policies: [["p"]])
      open: Int @requiresScopes(scopes: [])
      twice: Vault @requiresScopes(scopes: [["door"]])
    }
    type Mutation {
      publish(title: String): PublicBlog @requiresScopes(scopes: [["posts:write"]])
      like: PublicBlog
      seal: Vault
    }
    interface Post { id: ID! title: String author: User }
    type PublicBlog implements Post { id: ID! title: String author: User views: Int @authenticated }
    type PrivateBlog implements Post @authenticated {
      id: ID!
      title: String
      author: User
      draft: String @requiresScopes(scopes: [["drafts"]])
    }
    union Entry = PublicBlog | PrivateBlog | User
    type User @key(fields: "id") {
      id: ID! @authenticated
      name: String
      email: String @requiresScopes(scopes: [["users:read", "email:read"], ["admin"]])
      rating: Rating
      role: Role
      salary: Int! @requiresScopes(scopes: [["admin"]])
    }
    type Card @requiresScopes(scopes: [["cards"]]) { number: String }
    type Vault @requiresScopes(scopes: [["key"]]) { gold: Int coins: Int @requiresScopes(scopes: [["count"]]) }
    type Stats @shareable { total: Int }
    scalar Rating @authenticated
    enum Role @requiresScopes(scopes: [["admin"]]) { EDITOR READER }`,
  fields: {
    'Query.posts': () => [PUBLIC, PRIVATE],
    'Query.feed': () => [PUBLIC, PRIVATE, AUTHOR],
    'Query.me': () => AUTHOR,
    'Query.user': () => AUTHOR,
    'Query.users': () => [AUTHOR, { ...AUTHOR, id: '2', name: 'Grace' }],
    'Query.card': () => ({ number: '4242' }),
    'Query.stats': () => ({ total: 3 }),
    'Query.both': () => 1,
    'Query.open': () => 1,
    'Query.twice': () => ({ gold: 1, coins: 2 }),
    'User.salary': () => 100,
    'Mutation.publish': () => PUBLIC,
    'Mutation.like': () => PUBLIC,
    'Mutation.seal': () => ({ gold: 1 }),
  },
};

const accounts: SubgraphDefinition = {
  schema: `
    type Query { stats: Stats @shareable @requiresScopes(scopes: [["accounts"], ["admin"]]) }
    type Stats @shareable { total: Int }
    type User @key(fields: "id") {
      id: ID!
      age: Int
      city: String @requiresScopes(scopes: [["places"]])
    }`,
  fields: { 'User.age': () => 36, 'User.city': () => 'London' },
};

export const BLOG = { blog, accounts };
