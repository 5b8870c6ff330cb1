import { MAX_ENTRIES } from './bounds.ts';

/** Where changes are reported, and the secret with which deliveries are signed. */
export type WebhookTarget = {
  readonly url: string;
  readonly secret: string;
  /** The URL that is signed, where a proxy is in front of the receiver. Default: `url`. */
  readonly publicUrl?: string | undefined;
};

/** A change to report. */
export type SandboxEvent = { readonly type: string; readonly event: object };

/** An entry of the log of deliveries. */
export type Delivery = {
  readonly types: readonly string[];
  /** From 1. */
  readonly attempt: number;
  /** The receiver's status; null if there was no response. */
  readonly status: number | null;
};

/** A fault of the next reports: `late` by `delayMs` or until a promise settles, `twice`, `lost`, or `times` of them `reversed`. */
export type WebhookFault = {
  readonly webhook: 'late' | 'twice' | 'lost' | 'reversed';
  /** Matches event types that contain this text. Default: all. */
  readonly on?: string;
  /** Number of events affected. Default: all until the faults are cleared. Required for `reversed`. */
  readonly times?: number;
  readonly delayMs?: number;
  /** Only for a sandbox in the same process. */
  readonly until?: Promise<unknown>;
};

export type WebhookFormat = {
  /** Maximum number of events in a delivery. Above 1, they are gathered for some milliseconds. */
  readonly maxEvents: number;
  /** Returns the body of a delivery. `attempt` is from 1. */
  readonly toBody: (events: readonly object[], attempt: number) => string;
  /** Returns the headers of a delivery, its signature included. */
  readonly sign: (body: string, target: WebhookTarget) => Readonly<Record<string, string>>;
};

export type WebhookSender = {
  readonly setTarget: (target: WebhookTarget) => void;
  /** Reports a change soon. Without a target, nobody is told. */
  readonly send: (event: SandboxEvent) => void;
  readonly fail: (fault: WebhookFault) => void;
  /** The last 10,000 attempts, oldest first. */
  readonly deliveries: readonly Delivery[];
  /** Clears the faults and the log. Events that are held are sent. */
  readonly reset: () => void;
  readonly close: () => void;
};

const GATHER_MS = 5;

/** Delays before the repetitions of a delivery that failed, in milliseconds. Providers repeat for days, and more slowly. */
const RETRY_AFTER_MS = [50, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000];

const TIMEOUT_MS = 10_000;

type ActiveFault = { readonly fault: WebhookFault; left: number; readonly held: SandboxEvent[] };

/** Creates the webhooks of a sandbox: it reports changes to a URL, and repeats what was not accepted. */
export const createWebhookSender = ({ maxEvents, toBody, sign }: WebhookFormat): WebhookSender => {
  let target: WebhookTarget | undefined;
  let faults: ActiveFault[] = [];
  let gathered: SandboxEvent[] = [];
  let isClosed = false;
  const deliveries: Delivery[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const stopped = new AbortController();

  const after = (ms: number, work: () => void): void => {
    if (isClosed) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, ms);
    timers.add(timer);
    timer.unref();
  };

  const log = (delivery: Delivery): void => {
    deliveries.push(delivery);
    if (deliveries.length > MAX_ENTRIES) deliveries.shift();
  };

  const deliver = async (events: readonly SandboxEvent[], attempt = 1): Promise<void> => {
    if (!target || isClosed) return;
    const body = toBody(
      events.map(({ event }) => event),
      attempt,
    );
    const status = await post(target.url, body, sign(body, target));
    if (isClosed) return;
    log({ types: events.map(({ type }) => type), attempt, status });
    const delayMs = RETRY_AFTER_MS[attempt - 1];
    const isAccepted = status !== null && status >= 200 && status < 300;
    if (!isAccepted && delayMs !== undefined) after(delayMs, () => void deliver(events, attempt + 1));
  };

  const post = async (url: string, body: string, headers: Readonly<Record<string, string>>): Promise<number | null> => {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
        redirect: 'manual',
        signal: AbortSignal.any([stopped.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return null;
    }
  };

  const sendNow = (event: SandboxEvent): void => {
    if (maxEvents === 1) return void deliver([event]);
    gathered.push(event);
    if (gathered.length === 1) {
      after(GATHER_MS, () => {
        const all = gathered;
        gathered = [];
        for (let start = 0; start < all.length; start += maxEvents) void deliver(all.slice(start, start + maxEvents));
      });
    }
  };

  const release = ({ held }: ActiveFault): void => {
    for (const event of held.splice(0).reverse()) sendNow(event);
  };

  return {
    setTarget: (next) => {
      target = next;
    },
    send: (event) => {
      if (!target) return;
      const active = faults.find(({ fault: { on = '' }, left }) => left > 0 && event.type.includes(on));
      if (!active) return sendNow(event);
      active.left -= 1;
      const { webhook, until, delayMs = 0 } = active.fault;
      if (webhook === 'lost') return;
      if (webhook === 'late' && until) return void until.then(() => sendNow(event));
      if (webhook === 'late') return after(delayMs, () => sendNow(event));
      if (webhook === 'reversed') {
        active.held.push(event);
        if (active.left === 0) release(active);
        return;
      }
      sendNow(event);
      sendNow(event);
    },
    fail: (fault) => {
      if (fault.webhook === 'reversed' && fault.times === undefined)
        throw new Error('How many are reversed? Set times.');
      faults.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY, held: [] });
    },
    deliveries,
    reset: () => {
      faults.forEach(release);
      faults = [];
      deliveries.length = 0;
    },
    close: () => {
      isClosed = true;
      for (const timer of timers) clearTimeout(timer);
      stopped.abort();
    },
  };
};
