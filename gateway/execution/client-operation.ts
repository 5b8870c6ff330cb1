import { type DocumentNode, getOperationAST, type OperationTypeNode, type VariableDefinitionNode } from 'graphql';

/** A client's operation, without variable values. */
export type ClientOperation = {
  readonly document: DocumentNode;
  readonly operationName: string | undefined;
  readonly variableDefinitions: readonly VariableDefinitionNode[];
  /** Hash of the document text. */
  readonly hash: string;
};

/** An operation, the keys of the access rules that a request with it did not satisfy, and whether its response has parts. */
export type OperationInUse = ClientOperation & {
  readonly unmet?: ReadonlySet<string>;
  readonly isDeferred?: boolean;
};

/** Caches a function of an operation for as long as its document is in use. */
export const memoizeByOperation = <Value>(
  compute: (document: DocumentNode, operationName: string | undefined) => Value,
) => {
  const cache = new WeakMap<DocumentNode, Map<string | undefined, Value>>();
  return ({ document, operationName }: ClientOperation): Value => {
    const known = cache.get(document)?.get(operationName);
    if (known !== undefined) return known;
    const value = compute(document, operationName);
    const ofDocument = cache.get(document) ?? new Map<string | undefined, Value>();
    cache.set(document, ofDocument.set(operationName, value));
    return value;
  };
};

export const nameOf = ({ document, operationName }: ClientOperation): string | undefined =>
  getOperationAST(document, operationName)?.name?.value;

export const kindOf = ({ document, operationName }: ClientOperation): OperationTypeNode | undefined =>
  getOperationAST(document, operationName)?.operation;
