import { getArgumentValues, Kind, visit } from 'graphql';
import type { ArgumentValues, Execution, Field } from './execution.ts';

/** Returns the coerced values of a field's arguments, in a new object for each call. Throws GraphQLError. */
export type CoerceArguments = (execution: Execution) => Record<string, unknown>;

/**
 * Compiles the coercion of a field's arguments. Literals are coerced once, and arguments with variables once per execution,
 * however many objects the field is executed for.
 */
export const compileArguments = ({ definition, nodes: [node] }: Field): CoerceArguments => {
  if (definition.args.length === 0) return noArguments;
  const hasVariables = usesVariables(node.arguments ?? []);
  let constant: ArgumentValues | undefined;
  const coerceArguments: CoerceArguments = ({ variableValues, argumentValues }) => {
    const existing = constant ?? argumentValues.get(coerceArguments);
    if (existing) return { ...existing };
    const values = getArgumentValues(definition, node, variableValues);
    if (!isShareable(values)) return values;
    if (hasVariables) argumentValues.set(coerceArguments, values);
    else constant = values;
    return { ...values };
  };

  // A resolver may mutate its arguments. An object from a literal belongs to one call; graphql-js also shares those from
  // variables and defaults.
  const isShareable = (values: ArgumentValues): boolean =>
    (node.arguments ?? []).every(
      ({ name, value }) => value.kind === Kind.VARIABLE || !isObjectLike(values[name.value]),
    );
  return coerceArguments;
};

const noArguments: CoerceArguments = () => ({});

const isObjectLike = (value: unknown): boolean => typeof value === 'object' && value !== null;

const usesVariables = (args: readonly Parameters<typeof visit>[0][]): boolean => {
  let isFound = false;
  for (const argument of args) {
    visit(argument, {
      Variable: () => {
        isFound = true;
      },
    });
  }
  return isFound;
};
