import {
  DirectiveLocation,
  type DocumentNode,
  GraphQLBoolean,
  GraphQLDirective,
  GraphQLNonNull,
  GraphQLSchema,
  getDirectiveValues,
  getOperationAST,
  Kind,
} from 'graphql';

/** `@live`: the answer again whenever what it was read from has changed. */
export const LiveDirective = new GraphQLDirective({
  name: 'live',
  description:
    'Sends the response again whenever data that it was read from has changed. Needs a stream, as for subscriptions.',
  locations: [DirectiveLocation.QUERY],
  args: {
    if: {
      type: new GraphQLNonNull(GraphQLBoolean),
      defaultValue: true,
      description: 'Whether the query is live.',
    },
    patch: {
      type: new GraphQLNonNull(GraphQLBoolean),
      defaultValue: false,
      description: 'Whether later responses are JSON patches (RFC 6902) of the previous data.',
    },
  },
});

/** Adds the directive to a public schema. */
export const withLiveDirective = (schema: GraphQLSchema): GraphQLSchema =>
  new GraphQLSchema({ ...schema.toConfig(), directives: [...schema.getDirectives(), LiveDirective] });

/** How a live query is answered. */
export type LiveOptions = { readonly patch: boolean };

/** Returns the options of a live query. Undefined for any other operation. */
export const readLive = (
  document: DocumentNode,
  operationName: string | undefined,
  variables: Readonly<Record<string, unknown>>,
): LiveOptions | undefined => {
  const operation = getOperationAST(document, operationName);
  if (!operation?.directives?.some(({ name }) => name.value === LiveDirective.name)) return undefined;
  const values = getDirectiveValues(LiveDirective, operation, variables);
  return values?.['if'] === true ? { patch: values['patch'] === true } : undefined;
};

/** Removes the directive, which is the gateway's own. */
export const withoutLiveDirective = (document: DocumentNode): DocumentNode => ({
  ...document,
  definitions: document.definitions.map((definition) =>
    definition.kind === Kind.OPERATION_DEFINITION && definition.directives?.length
      ? {
          ...definition,
          directives: definition.directives.filter(({ name }) => name.value !== LiveDirective.name),
        }
      : definition,
  ),
});
