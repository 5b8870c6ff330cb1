import {
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLIncludeDirective,
  type GraphQLObjectType,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getDirectiveValues,
  type InlineFragmentNode,
  isAbstractType,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';

/** The context in which selections are evaluated. */
export type SelectionContext = {
  readonly schema: GraphQLSchema;
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  readonly variableValues: Readonly<Record<string, unknown>>;
};

/**
 * Collects the fields that selection sets select on an object type, by response name, each with the field nodes that are
 * merged into it. Throws GraphQLError if a condition has no value.
 * Source: GraphQL specification (October 2021), section 6.3.2, CollectFields.
 */
export const collectFields = (
  { schema, fragments, variableValues }: SelectionContext,
  type: GraphQLObjectType,
  selectionSets: readonly SelectionSetNode[],
): ReadonlyMap<string, readonly FieldNode[]> => {
  const fields = new Map<string, FieldNode[]>();
  const visitedFragments = new Set<string>();

  const isIncluded = (node: SelectionNode): boolean =>
    getDirectiveValues(GraphQLSkipDirective, node, variableValues)?.['if'] !== true &&
    getDirectiveValues(GraphQLIncludeDirective, node, variableValues)?.['if'] !== false;

  const applies = ({ typeCondition }: FragmentDefinitionNode | InlineFragmentNode): boolean => {
    if (!typeCondition || typeCondition.name.value === type.name) return true;
    const condition = schema.getType(typeCondition.name.value);
    return isAbstractType(condition) && schema.isSubType(condition, type);
  };

  const collect = ({ selections }: SelectionSetNode): void => {
    for (const selection of selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD && visitedFragments.has(selection.name.value)) continue;
      if (!isIncluded(selection)) continue;
      if (selection.kind === Kind.FIELD) {
        const responseName = (selection.alias ?? selection.name).value;
        const nodes = fields.get(responseName);
        if (nodes) nodes.push(selection);
        else fields.set(responseName, [selection]);
        continue;
      }
      let fragment: FragmentDefinitionNode | InlineFragmentNode | undefined;
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        visitedFragments.add(selection.name.value);
        fragment = fragments[selection.name.value];
      } else fragment = selection;
      if (fragment && applies(fragment)) collect(fragment.selectionSet);
    }
  };

  for (const selectionSet of selectionSets) collect(selectionSet);
  return fields;
};
