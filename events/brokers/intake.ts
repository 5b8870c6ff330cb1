import type { Log } from '../../runtime/log.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { bounded, NO_PROVIDER, UNREADABLE } from '../inbox/decide.ts';
import type { Inbox } from '../inbox/inbox.ts';
import type { NewEvent } from '../inbox/store.ts';
import { digestOf } from '../webhook.ts';
import type { Broker } from './broker.ts';
import { type CloudEvent, parseCloudEvent, sourceOf } from './cloud-event.ts';

/* Domain events of other applications, from a broker into the inbox. */

/** Maximum length of a message, in characters. Of a longer one, only its digest is kept. */
const MAX_CHARS = 256 * 1024;

const LOG_EVERY_MS = 60_000;

export type IntakeOptions = {
  readonly broker: Pick<Broker, 'subscribe'>;
  readonly inbox: Pick<Inbox, 'add'>;
  readonly storeId: string;
  /** The provider whose reads change, by the CloudEvents type. */
  readonly providers: ReadonlyMap<string, string>;
  readonly telemetry: Telemetry;
  readonly log: Log;
};

/** The inbox is full or cannot be written. The broker keeps the messages meanwhile. */
class InboxRefusal extends Error {
  override readonly name = 'InboxRefusal';
}

/** Starts to store what the broker delivers. A message is acknowledged once it is in the inbox, where it is known by its source and id. */
export const startIntake = ({ broker, inbox, storeId, providers, telemetry, log }: IntakeOptions): void => {
  let loggedAt = Number.NEGATIVE_INFINITY;
  broker.subscribe(async (bodies) => {
    const receivedAt = Date.now();
    // Where this inbox's own events come back, they would go round for ever.
    const events = bodies.flatMap((body) => toNewEvent(body, { providers, receivedAt, own: sourceOf(storeId) }) ?? []);
    const receipt = await inbox.add(events);
    if (typeof receipt === 'string') {
      telemetry.emit({ type: 'broker.failure', direction: 'in' });
      if (performance.now() - loggedAt > LOG_EVERY_MS) {
        loggedAt = performance.now();
        log.error({ inbox: receipt }, 'Messages of the broker cannot be stored in the inbox, and wait at the broker.');
      }
      throw new InboxRefusal();
    }
    telemetry.emit({ type: 'broker.received', ...receipt, own: bodies.length - events.length });
  });
};

type Context = {
  readonly providers: ReadonlyMap<string, string>;
  readonly receivedAt: number;
  /** The source of this inbox's own events. */
  readonly own: string;
};

/** Returns the event of a message. Undefined for one that was published from here. What is no domain event will be parked. */
const toNewEvent = (body: string, { providers, receivedAt, own }: Context): NewEvent | undefined => {
  const event = body.length > MAX_CHARS ? undefined : parseCloudEvent(body);
  if (!event) {
    const digest = digestOf(body);
    const payload = JSON.stringify(body.length > MAX_CHARS ? null : body);
    const id = `unreadable ${digest}`;
    return { provider: NO_PROVIDER, id, digest, type: UNREADABLE, object: null, version: null, receivedAt, payload };
  }
  if (event.source === own) return undefined;
  const { type, source, id, subject, data } = event;
  return {
    provider: providers.get(type) ?? NO_PROVIDER,
    // A source has no spaces.
    id: bounded(`${source} ${id}`),
    digest: digestOf({ source, id }),
    type: bounded(type),
    object: subject ? bounded(`${type} ${subject}`) : null,
    version: versionOf(event),
    receivedAt,
    payload: JSON.stringify(data ?? null),
  };
};

const versionOf = ({ time }: CloudEvent): number | null => (time ? Date.parse(time) : null);
