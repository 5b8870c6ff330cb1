import postgres, { type Sql, type TransactionSql } from 'postgres';

/**
 * Runs work in a transaction, which is rolled back if the work rejects.
 *
 * Work whose connection is lost never settles here; the transaction rejects when the connection closes. `postgres` 3.4.9 would send
 * the ROLLBACK to the closed connection, and the exception ends the process (https://github.com/porsager/postgres/issues/1208).
 */
export const transact = <Types extends Record<string, unknown>, Result>(
  sql: Sql<Types>,
  work: (transaction: TransactionSql<Types>) => Promise<Result>,
) =>
  sql.begin(async (transaction) => {
    try {
      return await work(transaction);
    } catch (error) {
      if (isConnectionLost(error)) return new Promise<never>(() => {});
      throw error;
    }
  });

const CONNECTION_CODES: ReadonlySet<unknown> = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
]);

/** Whether a query failed because its connection ended, or because the database ends it. */
const isConnectionLost = (error: unknown): boolean => {
  if (error instanceof postgres.PostgresError) return error.severity === 'FATAL';
  const { code, syscall } = error as NodeJS.ErrnoException;
  return CONNECTION_CODES.has(code) || syscall !== undefined;
};
