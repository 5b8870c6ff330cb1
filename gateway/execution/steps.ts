import {
  type DocumentNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  type OperationTypeNode,
  type SelectionSetNode,
} from 'graphql';

/*
 * A query plan, in the form that the compiler passes of this folder transform into a program. The planners' own formats are
 * read in `gateway/planning`.
 */

/** A node of the plan. */
export type Step =
  | { readonly kind: 'sequence'; readonly steps: readonly Step[] }
  /** `shared` fetches are all sent first. A step of kind `shared` waits for one of them. */
  | { readonly kind: 'parallel'; readonly steps: readonly Step[]; readonly shared: readonly Fetch[] }
  | { readonly kind: 'condition'; readonly variable: string; readonly whenTrue: Step; readonly whenFalse: Step }
  | { readonly kind: 'fetch'; readonly fetch: Fetch }
  | { readonly kind: 'shared'; readonly fetch: Fetch }
  | { readonly kind: 'nothing' };

/** One request to a subgraph. */
export type Fetch = {
  readonly subgraph: string;
  readonly kind: OperationTypeNode;
  readonly document: DocumentNode;
  readonly operationName: string | undefined;
  /** The operation's variables that it uses, except those for representations. */
  readonly variables: readonly string[];
  readonly targets: readonly FetchTarget[];
  /** Names by which deferred steps wait for it. */
  readonly ids?: readonly string[] | undefined;
};

/** Steps that only deferred parts of an operation need. */
export type DeferredStep = {
  /** The ids of these parts. */
  readonly parts: readonly string[];
  /** The ids of the fetches that it waits for. */
  readonly depends: readonly string[];
  readonly step: Step;
};

/** A set of fields that one request selects: on the root type, or on entities. */
export type FetchTarget = {
  readonly selectionSet: SelectionSetNode;
  /** For entities, the response name of the `_entities` field and the variable with the representations. */
  readonly entities: { readonly name: string; readonly variable: string } | undefined;
  readonly locations: readonly Location[];
  /** Fields to which the planner gave an alias so that a subgraph accepts them together. */
  readonly renames: readonly FieldRename[];
};

/** The objects of the data that a fetch adds fields to. */
export type Location = {
  /** Field names from the root, with `@` for every list item. */
  readonly path: readonly string[];
  readonly requirement: Requirement | undefined;
};

/** A selection of the fields that a representation contains. */
export type RequiredSelection =
  | {
      readonly kind: 'Field';
      readonly name: string;
      readonly alias?: string;
      readonly selections?: readonly RequiredSelection[];
    }
  | {
      readonly kind: 'InlineFragment';
      readonly typeCondition?: string;
      readonly selections: readonly RequiredSelection[];
    };

/** The fields of an entity that its representation contains, as planned. */
export type Requirement = {
  readonly selections: readonly RequiredSelection[];
  /** Replacements for `__typename`, by type condition: a subgraph with `@interfaceObject` knows only the interface. */
  readonly typenames: ReadonlyMap<string, string>;
};

export type FieldRename = { readonly path: readonly string[]; readonly name: string };

/** A plan uses an unsupported feature. */
export class UnsupportedPlan extends Error {
  constructor(feature: string) {
    super(`The gateway does not support ${feature}.`);
  }
}

/** Prefix of a type condition in a path. */
export const TYPE_CONDITION_PREFIX = '... on ';

export const operationIn = ({ definitions }: DocumentNode): OperationDefinitionNode =>
  definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION) as OperationDefinitionNode;

export const fragmentsIn = ({ definitions }: DocumentNode): FragmentDefinitionNode[] =>
  definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);

/** Returns all fetches of a step. */
export const fetchesOf = (step: Step): Fetch[] => {
  switch (step.kind) {
    case 'sequence':
      return step.steps.flatMap(fetchesOf);
    case 'parallel':
      return [...step.shared, ...step.steps.flatMap(fetchesOf)];
    case 'condition':
      return [...fetchesOf(step.whenTrue), ...fetchesOf(step.whenFalse)];
    case 'fetch':
      return [step.fetch];
    default:
      return [];
  }
};
