import type { DocumentNode, OperationTypeNode } from 'graphql';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import type { Data } from './data.ts';

/** What a program asks a subgraph, known before any request. */
export type SubgraphOperation = {
  readonly query: string;
  readonly document: DocumentNode;
  readonly kind: OperationTypeNode;
  readonly operationName: string | undefined;
};

/** The entities that a request is about, no two alike. */
export type Representations = {
  /** The variable that they are the value of. */
  readonly variable: string;
  /** Each as JSON. */
  readonly texts: readonly string[];
  /** Each as an object, for who asks for `values`. */
  readonly values: readonly Data[];
};

export type SubgraphRequest = {
  readonly variables: Readonly<Record<string, unknown>>;
  readonly representations: readonly Representations[];
};

/** An error as a subgraph tells it, made fit for clients. */
export type SubgraphError = {
  readonly message: string;
  readonly path?: readonly (string | number)[] | undefined;
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
};

export type SubgraphAnswer = {
  /** Becomes the program's: nobody else may hold it. Null or undefined where the subgraph has given none. */
  readonly data: Data | null | undefined;
  readonly errors?: readonly SubgraphError[] | undefined;
  /** What of the data is older than it should be, with paths as in errors. */
  readonly stale?: readonly StaleNote[] | undefined;
};

/** How programs reach one subgraph. `Context` is what belongs to one client request. */
export type SubgraphClient<Context> = {
  /** The form that it takes representations in. */
  readonly encoding: 'texts' | 'values';
  /** Gets an operation ready to be sent many times. What it gives never throws: what failed is among the errors. */
  readonly prepare: (
    operation: SubgraphOperation,
  ) => (request: SubgraphRequest, context: Context) => Promise<SubgraphAnswer>;
};
