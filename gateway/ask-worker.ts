import type { Worker } from 'node:cluster';

/** Time for a worker to reply, in milliseconds. */
const REPLY_TIMEOUT_MS = 1_000;

/** A question that the primary process asks workers. `Reply` can be sent as JSON. */
export type Question<Reply> = {
  /** Lets this worker answer. */
  readonly answer: (read: () => Reply) => void;
  /** Asks a worker. Returns undefined if it does not reply within a second. */
  readonly ask: (worker: Worker) => Promise<Reply | undefined>;
};

export const createQuestion = <Reply extends object>(name: string): Question<Reply> => ({
  answer: (read) => {
    process.on('message', (request) => {
      if (request === name) process.send?.({ [name]: read() });
    });
  },
  ask: (worker) =>
    new Promise((resolve) => {
      const finish = (reply: Reply | undefined) => {
        clearTimeout(timer);
        worker.off('message', onMessage);
        resolve(reply);
      };
      const onMessage = (message: Readonly<Record<string, Reply>>) => message[name] && finish(message[name]);
      const timer = setTimeout(finish, REPLY_TIMEOUT_MS, undefined);
      worker.on('message', onMessage);
      // A worker that has just ended cannot be asked.
      worker.send(name, () => {});
    }),
});
