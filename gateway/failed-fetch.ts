import {
  type DocumentNode,
  type FieldNode,
  type GraphQLFormattedError,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  getDirectiveValues,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

export type FetchResult = {
  readonly data: Record<string, unknown> | null;
  readonly errors?: readonly GraphQLFormattedError[];
};

type Variables = Readonly<Record<string, unknown>>;

/**
 * The result of a fetch that gave none: null for every field it asked for, and for each of them one error, so that a
 * client reads what is missing from its answer and why.
 */
export const failedFetch = (
  document: DocumentNode,
  variables: Variables,
  { message, extensions }: Pick<GraphQLFormattedError, 'message' | 'extensions'>,
): FetchResult => {
  const operation = document.definitions.find(
    (definition): definition is OperationDefinitionNode => definition.kind === Kind.OPERATION_DEFINITION,
  );
  const errors: GraphQLFormattedError[] = [];
  const data: Record<string, unknown> = {};
  const fail = (path: readonly (string | number)[]) =>
    errors.push({ message, path, ...(extensions && { extensions: { ...extensions } }) });

  const fieldsOf = (selections: SelectionSetNode | undefined, typename: unknown): FieldNode[] =>
    (selections?.selections ?? []).flatMap((selection) => {
      if (!isIncluded(selection, variables)) return [];
      if (selection.kind === Kind.FIELD) return selection.name.value === '__typename' ? [] : [selection];
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const fragment = document.definitions.find(
          (definition) =>
            definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === selection.name.value,
        );
        return fragment && 'selectionSet' in fragment ? fieldsOf(fragment.selectionSet, typename) : [];
      }
      const condition = selection.typeCondition?.name.value;
      return typename === undefined || condition === undefined || condition === typename
        ? fieldsOf(selection.selectionSet, typename)
        : [];
    });

  for (const field of fieldsOf(operation?.selectionSet, undefined)) {
    const name = responseName(field);
    const { representations } = variables;
    if (field.name.value !== '_entities' || !Array.isArray(representations)) {
      data[name] = null;
      fail([name]);
      continue;
    }
    data[name] = representations.map(() => null);
    representations.forEach((representation: { __typename?: unknown }, index) => {
      const missing = fieldsOf(field.selectionSet, representation.__typename);
      for (const one of missing) fail([name, index, responseName(one)]);
    });
  }
  return { data, errors };
};

const responseName = (field: FieldNode): string => (field.alias ?? field.name).value;

const isIncluded = (node: Parameters<typeof getDirectiveValues>[1], variables: Variables): boolean =>
  getDirectiveValues(GraphQLSkipDirective, node, variables)?.['if'] !== true &&
  getDirectiveValues(GraphQLIncludeDirective, node, variables)?.['if'] !== false;
