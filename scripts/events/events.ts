import { parseArgs } from 'node:util';
import { EVENT_STATES, type EventState, type InboxStore, type ListedEvent } from '../../events/inbox/store.ts';

export const USAGE = `Usage:
  npm run events -- list [--state waiting|parked|applied] [--limit 50]   lists events, by default the parked ones
  npm run events -- replay <position>… | --all                          lets parked events be applied again`;

/** The command is not one. The message is the usage. */
export class UsageError extends Error {
  override readonly name = 'UsageError';

  constructor() {
    super(USAGE);
  }
}

/** Runs a command on an inbox and returns the lines to print. Throws UsageError. */
export const runEventsCommand = async (args: readonly string[], store: InboxStore): Promise<readonly string[]> => {
  const { values, positionals } = parse(args);
  const [command, ...positions] = positionals;
  if (command === 'list') {
    const limit = Number(values.limit ?? 50);
    const state = EVENT_STATES.find((one) => one === (values.state ?? 'parked'));
    if (!state || !(limit > 0) || positions.length > 0) throw new UsageError();
    return list(store, state, Math.floor(limit));
  }
  if (command !== 'replay' || (values.all ?? false) === positions.length > 0) throw new UsageError();
  if (!positions.every((position) => /^\d{1,15}$/.test(position))) throw new UsageError();
  const count = await store.replay(values.all ? 'all' : positions.map(Number));
  const missing = positions.length > count ? ` Not parked: ${positions.length - count}.` : '';
  return [`${count} ${count === 1 ? 'event waits' : 'events wait'} to be applied again.${missing}`];
};

const parse = (args: readonly string[]) => {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { state: { type: 'string' }, limit: { type: 'string' }, all: { type: 'boolean' } },
    });
  } catch {
    throw new UsageError();
  }
};

const list = async (store: InboxStore, state: EventState, limit: number): Promise<readonly string[]> => {
  const [events, { waiting, parked }] = await Promise.all([store.list({ states: [state], limit }), store.state()]);
  return [`${waiting} waiting, ${parked} parked.`, ...events.map(toLine)];
};

const toLine = ({ position, provider, id, type, object, receivedAt, problem }: ListedEvent): string =>
  [position, new Date(receivedAt).toISOString(), provider, id, type, object ?? '–', problem].filter(Boolean).join('  ');
