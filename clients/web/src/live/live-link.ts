import { ApolloLink, Observable } from '@apollo/client';
import { graphQLResultHasProtocolErrors, PROTOCOL_ERRORS_SYMBOL } from '@apollo/client/errors';
import type { Subscription } from 'rxjs';
import { takeSlot } from './slots.ts';
import { noteGap, onReconnect, setStream } from './state.ts';

/*
 * Keeps subscriptions open: after a stream is lost, it subscribes again after the last event, with backoff. Streams are open only
 * while the page is visible.
 */

/** The part of an operation's context by which the transport tells of its response. */
export type StreamContext = {
  /** Called with the header of each response. */
  readonly onResponse?: (response: Response) => void;
};

export type LiveLinkOptions = {
  /** Whether the next request would leave the page for a new token. */
  readonly needsSignIn: () => boolean;
};

/** Delays before a stream is opened again, in milliseconds. They are halved at random, so that clients do not all come at once. */
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;

/** A stream that was open for so long has not failed to open, in milliseconds. */
const STABLE_MS = 10_000;

/** Codes after which subscribing again may succeed. Source: docs/subscriptions.md. */
const TRANSIENT: ReadonlySet<unknown> = new Set([
  'AUTHENTICATION_UNAVAILABLE',
  'BUDGET_EXCEEDED',
  'EVENTS_EXPIRED',
  'FORBIDDEN',
  'INTERNAL_SERVER_ERROR',
  'LIMITS_UNAVAILABLE',
  'OVERLOADED',
  'RATE_LIMITED',
  'SUBSCRIPTION_LOST',
  'UNAUTHENTICATED',
]);

type Tributary = { readonly eventId?: string; readonly missed?: number };

/** Returns the code of a result that ends the stream or refuses it. Undefined for an event. */
const endCodeOf = (result: ApolloLink.Result): string | undefined => {
  const [error] = graphQLResultHasProtocolErrors(result)
    ? result.extensions[PROTOCOL_ERRORS_SYMBOL].errors
    : result.data === undefined && tributaryOf(result).eventId === undefined
      ? (result.errors ?? [])
      : [];
  return error && String(error.extensions?.['code']);
};

const tributaryOf = ({ extensions }: ApolloLink.Result): Tributary =>
  (extensions?.['tributary'] as Tributary | undefined) ?? {};

/** Creates the link for subscriptions. It passes on their events, and no errors: the page is as good without them. */
export const createLiveLink = ({ needsSignIn }: LiveLinkOptions): ApolloLink =>
  new ApolloLink(
    (operation, forward) =>
      new Observable((observer) => {
        const { operationName: name = '' } = operation;
        let lastEventId: string | undefined;
        let failures = 0;
        let openedAt = Number.POSITIVE_INFINITY;
        let timer: ReturnType<typeof setTimeout> | undefined;
        let stream: Subscription | undefined;
        let release: (() => void) | undefined;
        /** Counts the attempts, so that one that has been given up does nothing more. */
        let attempt = 0;
        let isRefused = false;

        const disconnect = (): void => {
          attempt += 1;
          clearTimeout(timer);
          stream?.unsubscribe();
          release?.();
          stream = undefined;
          release = undefined;
        };

        const retry = (): void => {
          if (Date.now() - openedAt >= STABLE_MS) failures = 0;
          failures += 1;
          openedAt = Number.POSITIVE_INFINITY;
          setStream(name, failures > 1 ? 'lost' : 'connecting');
          const delayMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
          timer = setTimeout(() => void connect(), delayMs * (0.5 + Math.random() / 2));
        };

        const end = (code: string | undefined): void => {
          disconnect();
          if (code === 'EVENTS_EXPIRED') lastEventId = undefined;
          isRefused = code !== undefined && !TRANSIENT.has(code);
          if (isRefused) setStream(name, undefined);
          else retry();
        };

        const connect = async (isWanted = false): Promise<void> => {
          disconnect();
          const own = attempt;
          // Leaving the page could lose what is being typed. Its next query gets the token.
          if (needsSignIn() && !isWanted) {
            setStream(name, 'paused');
            return;
          }
          const slot = await takeSlot().catch(() => undefined);
          if (own !== attempt || !slot) {
            slot?.();
            if (own === attempt) retry();
            return;
          }
          release = slot;
          let code: string | undefined;
          const isCurrent = (): boolean => own === attempt;
          operation.setContext({
            onResponse: ({ ok, headers }: Response) => {
              if (!isCurrent() || !ok || !headers.get('content-type')?.startsWith('multipart/')) return;
              openedAt = Date.now();
              // Without an event, nobody knows what happened before.
              if (lastEventId === undefined) noteGap();
              setStream(name, 'live');
            },
          } satisfies StreamContext);
          operation.extensions['tributary'] = lastEventId === undefined ? undefined : { lastEventId };
          stream = forward(operation).subscribe({
            next: (result) => {
              if (!isCurrent()) return;
              code ??= endCodeOf(result);
              if (code !== undefined) return;
              const { eventId, missed } = tributaryOf(result);
              lastEventId = eventId ?? lastEventId;
              failures = 0;
              if (missed) noteGap();
              if (result.data) observer.next(result);
            },
            error: () => isCurrent() && end(code),
            complete: () => isCurrent() && end(code),
          });
        };

        const isHidden = (): boolean => document.visibilityState === 'hidden';
        const onVisibility = (): void => {
          if (isRefused) return;
          failures = 0;
          if (!isHidden()) return void connect();
          disconnect();
          setStream(name, 'connecting');
        };
        document.addEventListener('visibilitychange', onVisibility);
        const stopWaiting = onReconnect(() => {
          if (!isRefused && !Number.isFinite(openedAt)) void connect(true);
        });
        setStream(name, 'connecting');
        if (!isHidden()) void connect();

        return () => {
          document.removeEventListener('visibilitychange', onVisibility);
          stopWaiting();
          disconnect();
          setStream(name, undefined);
        };
      }),
  );
