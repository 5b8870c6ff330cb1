import { type DocumentNode, type FieldDefinitionNode, Kind, visit } from 'graphql';

/** What decides of a progressive `@override` which subgraph resolves a field. */
export type OverrideOptions = {
  /** The custom labels that are switched on: their fields have moved. All others are off. */
  readonly enabledLabels: readonly string[];
  /** From 0 up to 1. */
  readonly random: () => number;
};

/** The decisions for one request of an operation, for as many labels as can matter to it. */
export type OverrideConditions = {
  /** By label: whether its fields are resolved by the subgraph that they move to. */
  readonly values: ReadonlyMap<string, boolean>;
  /** The same for the same decisions; empty where nothing is decided by chance. */
  readonly key: string;
};

/** Decides the labels of one request. */
export type DecideOverrides = (document: DocumentNode) => OverrideConditions;

const NONE: OverrideConditions = { values: new Map(), key: '' };

/**
 * Creates what decides the labels of a supergraph's progressive overrides: `percent(n)` by chance, once for each request,
 * and custom labels by configuration. `plannerFields` are the names of fields that a planner adds to operations.
 *
 * One number is drawn for all percentages of a request. So an operation with k different percentages has at most k + 1
 * sets of decisions, each of which needs a plan, and not 2^k.
 *
 * Source: https://specs.apollo.dev/join, and the reference of `@override` in Apollo's documentation of Federation 2.7.
 */
export const createOverrides = (
  supergraph: DocumentNode,
  plannerFields: ReadonlySet<string>,
  { enabledLabels, random }: OverrideOptions,
): DecideOverrides => {
  const fieldsByLabel = readLabels(supergraph);
  if (fieldsByLabel.size === 0) return () => NONE;
  const enabled = new Set(enabledLabels);
  const known = new WeakMap<DocumentNode, readonly string[]>();

  const labelsOf = (document: DocumentNode): readonly string[] => {
    const before = known.get(document);
    if (before) return before;
    const names = new Set(plannerFields);
    visit(document, { Field: ({ name }) => void names.add(name.value) });
    const labels = [...fieldsByLabel].filter(([, fields]) => !fields.isDisjointFrom(names)).map(([label]) => label);
    known.set(document, labels);
    return labels;
  };

  return (document) => {
    const labels = labelsOf(document);
    if (labels.length === 0) return NONE;
    const drawn = random() * 100;
    const chosen: string[] = [];
    const values = new Map<string, boolean>();
    for (const label of labels) {
      const percent = readPercent(label);
      const isOn = percent === undefined ? enabled.has(label) : drawn < percent;
      values.set(label, isOn);
      if (percent !== undefined && isOn) chosen.push(label);
    }
    return { values, key: chosen.join(' ') };
  };
};

/** Returns those of the labels that a supergraph has nowhere. */
export const findUnknownLabels = (supergraph: DocumentNode, labels: readonly string[]): string[] => {
  const known = readLabels(supergraph);
  return labels.filter((label) => !known.has(label));
};

/** The labels that a supergraph has, each with the names of its fields. */
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
  directives.flatMap(({ name, arguments: given = [] }) => {
    if (name.value !== 'join__field') return [];
    const value = given.find((argument) => argument.name.value === 'overrideLabel')?.value;
    return value?.kind === Kind.STRING ? [value.value] : [];
  });

/** The n of `percent(n)`; undefined for a custom label. */
const readPercent = (label: string): number | undefined => {
  const [, percent] = /^percent\((\d{1,3}(?:\.\d{1,8})?)\)$/.exec(label) ?? [];
  return percent === undefined ? undefined : Number(percent);
};
