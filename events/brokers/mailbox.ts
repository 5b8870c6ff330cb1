/** Messages that have arrived and wait to be handled, in their order. */
export type Mailbox<Message> = {
  readonly add: (message: Message) => void;
  /** Ends `batches`: with an error, or without one. */
  readonly end: (error?: unknown) => void;
  /** Returns what has arrived, in batches, until the end. */
  readonly batches: (size: number) => AsyncGenerator<readonly Message[], void>;
  /** Returns the messages that wait. */
  readonly waiting: () => readonly Message[];
};

/** Creates a mailbox, for clients that hand over one message at a time. Their window of unacknowledged messages bounds it. */
export const createMailbox = <Message>(): Mailbox<Message> => {
  let waiting: Message[] = [];
  let changed = Promise.withResolvers<void>();
  let ended: { readonly error: unknown } | undefined;
  const wake = (): void => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  return {
    add: (message) => {
      waiting.push(message);
      wake();
    },
    end: (error) => {
      ended ??= { error };
      wake();
    },
    batches: async function* (size) {
      for (;;) {
        if (ended?.error !== undefined) throw ended.error;
        if (ended) return;
        if (waiting.length === 0) {
          await changed.promise;
          continue;
        }
        const batch = waiting.slice(0, size);
        waiting = waiting.slice(size);
        yield batch;
      }
    },
    waiting: () => waiting,
  };
};
