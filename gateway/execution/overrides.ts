import { type DocumentNode, type FieldDefinitionNode, Kind, visit } from 'graphql';

/** Settings that decide which subgraph resolves a field with a progressive `@override`. */
export type OverrideOptions = {
  /** The enabled custom labels: their fields have moved. All others are disabled. */
  readonly enabledLabels: readonly string[];
  /** Returns a number from 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
};

/** The override decisions for one request, limited to the labels that can affect its operation. */
export type OverrideConditions = {
  /** By label, whether its fields are resolved by the new subgraph. */
  readonly values: ReadonlyMap<string, boolean>;
  /** Identifies the random decisions. Empty if there are none. */
  readonly key: string;
};

/** Decides the override labels for one request. */
export type DecideOverrides = (document: DocumentNode) => OverrideConditions;

const NO_OVERRIDES: OverrideConditions = { values: new Map(), key: '' };

/**
 * Creates the function that decides a supergraph's override labels: `percent(n)` at random for each request, custom labels by
 * configuration. `plannerFields` are the names of the fields that the planner adds to operations.
 *
 * One random number serves all percentages of a request. An operation with k different percentages therefore needs at most
 * k + 1 plans instead of 2^k.
 *
 * Source: https://specs.apollo.dev/join, and the reference of `@override` in Apollo's documentation of Federation 2.7.
 */
export const createOverrides = (
  supergraph: DocumentNode,
  plannerFields: ReadonlySet<string>,
  { enabledLabels, random }: OverrideOptions,
): DecideOverrides => {
  const fieldsByLabel = readLabels(supergraph);
  if (fieldsByLabel.size === 0) return () => NO_OVERRIDES;
  const enabled = new Set(enabledLabels);
  const labelCache = new WeakMap<DocumentNode, readonly string[]>();

  const labelsOf = (document: DocumentNode): readonly string[] => {
    const cached = labelCache.get(document);
    if (cached) return cached;
    const names = new Set(plannerFields);
    visit(document, { Field: ({ name }) => void names.add(name.value) });
    const labels = [...fieldsByLabel].filter(([, fields]) => !fields.isDisjointFrom(names)).map(([label]) => label);
    labelCache.set(document, labels);
    return labels;
  };

  return (document) => {
    const labels = labelsOf(document);
    if (labels.length === 0) return NO_OVERRIDES;
    const sample = random() * 100;
    const enabledPercentages: string[] = [];
    const values = new Map<string, boolean>();
    for (const label of labels) {
      const percent = readPercent(label);
      const isOn = percent === undefined ? enabled.has(label) : sample < percent;
      values.set(label, isOn);
      if (percent !== undefined && isOn) enabledPercentages.push(label);
    }
    return { values, key: enabledPercentages.join(' ') };
  };
};

/** Returns the labels that a supergraph does not define. */
export const findUnknownLabels = (supergraph: DocumentNode, labels: readonly string[]): string[] => {
  const known = readLabels(supergraph);
  return labels.filter((label) => !known.has(label));
};

/** Returns the labels of a supergraph, each with the names of its fields. */
const readLabels = (supergraph: DocumentNode): ReadonlyMap<string, ReadonlySet<string>> => {
  const found = new Map<string, Set<string>>();
  visit(supergraph, {
    FieldDefinition: (field) => {
      for (const label of labelsOfField(field)) {
        const fields = found.get(label) ?? new Set();
        found.set(label, fields.add(field.name.value));
      }
    },
  });
  return found;
};

const labelsOfField = ({ directives = [] }: FieldDefinitionNode): string[] =>
  directives.flatMap(({ name, arguments: args = [] }) => {
    if (name.value !== 'join__field') return [];
    const value = args.find((argument) => argument.name.value === 'overrideLabel')?.value;
    return value?.kind === Kind.STRING ? [value.value] : [];
  });

/** Returns the n of `percent(n)`. Undefined for a custom label. */
const readPercent = (label: string): number | undefined => {
  const [, percent] = /^percent\((\d{1,3}(?:\.\d{1,8})?)\)$/.exec(label) ?? [];
  return percent === undefined ? undefined : Number(percent);
};
