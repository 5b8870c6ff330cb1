import {
  type DocumentNode,
  type FieldNode,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionNode,
  type SelectionSetNode,
  type VariableDefinitionNode,
  visit,
} from 'graphql';
import { type Fetch, type FetchTarget, type Location, operationIn, type RequiredSelection } from './steps.ts';

/** Returns a selection set on entities of one type. */
export const onType = (typename: string, selectionSet: SelectionSetNode): SelectionSetNode => ({
  kind: Kind.SELECTION_SET,
  selections: [
    {
      kind: Kind.INLINE_FRAGMENT,
      typeCondition: { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: typename } },
      selectionSet,
    },
  ],
});

/** Returns what a representation has by a key. */
export const toRequirement = (typename: string, key: SelectionSetNode): Location['requirement'] => ({
  selections: [
    {
      kind: 'InlineFragment',
      typeCondition: typename,
      selections: [{ kind: 'Field', name: '__typename' }, ...toRequired(key)],
    },
  ],
  typenames: new Map(),
});

const toRequired = ({ selections }: SelectionSetNode): RequiredSelection[] =>
  selections.flatMap((one): RequiredSelection[] => {
    if (one.kind === Kind.FRAGMENT_SPREAD) return [];
    if (one.kind === Kind.FIELD) {
      const name = one.name.value;
      return [{ kind: 'Field', name, ...(one.selectionSet && { selections: toRequired(one.selectionSet) }) }];
    }
    const condition = one.typeCondition?.name.value;
    const selected = toRequired(one.selectionSet);
    return [
      { kind: 'InlineFragment', ...(condition !== undefined && { typeCondition: condition }), selections: selected },
    ];
  });

const REPRESENTATIONS = 'representations';

const REPRESENTATIONS_DEFINITION = (operationIn(
  parse(`query ($${REPRESENTATIONS}: [_Any!]!) { __typename }`, { noLocation: true }),
).variableDefinitions ?? [])[0] as VariableDefinitionNode;

/** Returns a fetch of the same root fields or entities with other selections. */
export const withSelections = (fetch: Fetch, target: FetchTarget, selectionSet: SelectionSetNode): Fetch => {
  const operation = operationIn(fetch.document);
  const [entities] = operation.selectionSet.selections;
  const selections =
    target.entities && entities?.kind === Kind.FIELD ? [{ ...entities, selectionSet }] : selectionSet.selections;
  return withOperation(fetch, { ...target, selectionSet }, selections);
};

/** Returns a fetch of entities that another fetch returned. */
export const toEntityFetch = (fetch: Fetch, location: Location, selectionSet: SelectionSetNode): Fetch => {
  const entities = { name: '_entities', variable: REPRESENTATIONS };
  const field: FieldNode = {
    kind: Kind.FIELD,
    name: { kind: Kind.NAME, value: '_entities' },
    arguments: [
      {
        kind: Kind.ARGUMENT,
        name: { kind: Kind.NAME, value: REPRESENTATIONS },
        value: { kind: Kind.VARIABLE, name: { kind: Kind.NAME, value: REPRESENTATIONS } },
      },
    ],
    selectionSet,
  };
  return withOperation(fetch, { selectionSet, entities, locations: [location], renames: [] }, [field]);
};

/** Returns a fetch with another operation, which defines the variables that it uses. */
const withOperation = (fetch: Fetch, target: FetchTarget, selections: readonly SelectionNode[]): Fetch => {
  const operation = operationIn(fetch.document);
  const used = new Set<string>();
  visit({ kind: Kind.SELECTION_SET, selections }, { Variable: ({ name }) => void used.add(name.value) });
  const defined = (operation.variableDefinitions ?? []).filter(({ variable }) => used.has(variable.name.value));
  const isDefined = defined.some(({ variable }) => variable.name.value === REPRESENTATIONS);
  const changed: OperationDefinitionNode = {
    ...operation,
    variableDefinitions: target.entities && !isDefined ? [REPRESENTATIONS_DEFINITION, ...defined] : defined,
    selectionSet: { kind: Kind.SELECTION_SET, selections },
  };
  const document: DocumentNode = { kind: Kind.DOCUMENT, definitions: [changed] };
  return { ...fetch, document, variables: fetch.variables.filter((name) => used.has(name)), targets: [target] };
};
