import type { TelemetryEvent } from './events.ts';
import { createStateSources, type StateSources } from './state.ts';

/** Receives each event of a process, or of one client request. Must not throw. */
export type TelemetryListener = {
  /** The types of events that it handles. Default: all. */
  readonly types?: readonly TelemetryEvent['type'][] | undefined;
  /** `requests`: the client requests that the event is part of, if any. A batch serves several. */
  readonly on: (event: TelemetryEvent, requests: ReadonlySet<RequestListener>) => void;
};

/** Receives the events of one client request. */
export type RequestListener = { readonly on: (event: TelemetryEvent) => void };

/** The stream of a process's events, and its state. */
export type Telemetry = StateSources & {
  /** Announces an event to the listeners of the process and of the client requests that it is part of. */
  readonly emit: (event: TelemetryEvent, requests?: ReadonlySet<RequestListener>) => void;
  /** Whether the process has a listener for events of a type. Those that every request announces are not made without one. */
  readonly hears: (type: TelemetryEvent['type']) => boolean;
  /** Adds a listener. Returns a function that removes it. */
  readonly listen: (listener: TelemetryListener) => () => void;
};

const NO_REQUESTS: ReadonlySet<RequestListener> = new Set();

export const createTelemetry = (): Telemetry => {
  // Replaced, not changed, so that a listener may be removed while an event is announced.
  let listeners: readonly TelemetryListener[] = [];
  return {
    ...createStateSources(),
    emit: (event, requests = NO_REQUESTS) => {
      for (const request of requests) request.on(event);
      for (const listener of listeners) listener.on(event, requests);
    },
    hears: (type) => listeners.some(({ types }) => !types || types.includes(type)),
    listen: (listener) => {
      listeners = [...listeners, listener];
      return () => {
        listeners = listeners.filter((one) => one !== listener);
      };
    },
  };
};
