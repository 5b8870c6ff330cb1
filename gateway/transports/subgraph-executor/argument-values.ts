import { getArgumentValues, Kind, visit } from 'graphql';
import type { ArgumentValues, Execution, Field } from './execution.ts';

/** Returns the values of a field's arguments, a new object for each call. Throws GraphQLError. */
export type CoerceArguments = (execution: Execution) => Record<string, unknown>;

/**
 * Compiles the coercion of a field's arguments: literals are coerced once, what depends on variables once for each
 * execution, however many objects the field is executed for.
 */
export const compileArguments = ({ definition, nodes: [node] }: Field): CoerceArguments => {
  if (definition.args.length === 0) return noArguments;
  const hasVariables = usesVariables(node.arguments ?? []);
  let constant: ArgumentValues | undefined;
  const coerceArguments: CoerceArguments = ({ variableValues, argumentValues }) => {
    const known = constant ?? argumentValues.get(coerceArguments);
    if (known) return { ...known };
    const values = getArgumentValues(definition, node, variableValues);
    if (!isShareable(values)) return values;
    if (hasVariables) argumentValues.set(coerceArguments, values);
    else constant = values;
    return { ...values };
  };

  // A resolver may change what it is given. An object made of a literal belongs to one call; those of variables and
  // defaults are shared by graphql-js as well.
  const isShareable = (values: ArgumentValues): boolean =>
    (node.arguments ?? []).every(
      ({ name, value }) => value.kind === Kind.VARIABLE || !isObjectLike(values[name.value]),
    );
  return coerceArguments;
};

const noArguments: CoerceArguments = () => ({});

const isObjectLike = (value: unknown): boolean => typeof value === 'object' && value !== null;

const usesVariables = (given: readonly Parameters<typeof visit>[0][]): boolean => {
  let isFound = false;
  for (const argument of given) {
    visit(argument, {
      Variable: () => {
        isFound = true;
      },
    });
  }
  return isFound;
};
