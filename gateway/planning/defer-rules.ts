import {
  type ASTVisitor,
  type DirectiveNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type ValidationContext,
} from 'graphql';

/*
 * The validation rules of `@defer`, which graphql-js has from version 17: its rules DeferStreamDirectiveOnRootField,
 * DeferStreamDirectiveOnValidOperations and DeferStreamDirectiveLabel, for one directive.
 */

const isDefer = ({ name }: DirectiveNode): boolean => name.value === 'defer';

const argumentOf = ({ arguments: args = [] }: DirectiveNode, name: string) =>
  args.find((argument) => argument.name.value === name)?.value;

/** Root fields of mutations run in order, and those of subscriptions are events. Neither can be deferred. */
const deferOnRootFields = (context: ValidationContext): ASTVisitor => ({
  Directive: (node) => {
    const parent = context.getParentType();
    const schema = context.getSchema();
    for (const kind of ['mutation', 'subscription'] as const) {
      if (!isDefer(node) || !parent || schema.getRootType(kind as never) !== parent) continue;
      const message = `Defer directive cannot be used on root ${kind} type "${parent.name}".`;
      context.reportError(new GraphQLError(message, { nodes: node }));
    }
  },
});

/** The response to an event has one part. A variable can disable `@defer`. */
const deferInSubscriptions = (context: ValidationContext): ASTVisitor => {
  const reported = new Set<DirectiveNode>();
  const check = (node: DirectiveNode): void => {
    const condition = argumentOf(node, 'if');
    const mayBeDisabled =
      condition?.kind === Kind.VARIABLE || (condition?.kind === Kind.BOOLEAN && condition.value === false);
    if (!isDefer(node) || mayBeDisabled || reported.has(node)) return;
    reported.add(node);
    context.reportError(
      new GraphQLError(
        'Defer directive not supported on subscription operations. Disable `@defer` by setting the `if` argument to `false`.',
        { nodes: node },
      ),
    );
  };
  return {
    OperationDefinition: (operation: OperationDefinitionNode) => {
      if (operation.operation !== 'subscription') return;
      const sets = [
        operation.selectionSet,
        ...context.getRecursivelyReferencedFragments(operation).map(({ selectionSet }) => selectionSet),
      ];
      while (sets.length > 0) {
        for (const selection of sets.pop()?.selections ?? []) {
          selection.directives?.forEach(check);
          if (selection.kind !== Kind.FRAGMENT_SPREAD && selection.selectionSet) sets.push(selection.selectionSet);
        }
      }
    },
  };
};

/** Clients tell deferred fragments apart by their labels. */
const deferLabels = (context: ValidationContext): ASTVisitor => {
  const known = new Map<string, DirectiveNode>();
  return {
    Directive: (node) => {
      const label = argumentOf(node, 'label');
      if (!isDefer(node) || !label || label.kind === Kind.NULL) return;
      if (label.kind !== Kind.STRING) {
        const message = `Argument "@defer(label:)" must be a static string.`;
        return context.reportError(new GraphQLError(message, { nodes: node }));
      }
      const other = known.get(label.value);
      if (!other) return void known.set(label.value, node);
      const message = 'Value for arguments "@defer(label:)" must be unique across all uses of the directive.';
      context.reportError(new GraphQLError(message, { nodes: [other, node] }));
    },
  };
};

export const deferRules = [deferOnRootFields, deferInSubscriptions, deferLabels];
