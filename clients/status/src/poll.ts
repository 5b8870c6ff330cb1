import type { Status } from './status.ts';

/** Time between updates, and at most between attempts while the gateway does not answer, in milliseconds. */
const UPDATE_MS = 2_000;
const MAX_WAIT_MS = 30_000;
const TIMEOUT_MS = 10_000;

export type Listener = {
  readonly onStatus: (status: Status) => void;
  /** `since` is when the gateway answered last. */
  readonly onSilence: (problem: string, retryMs: number) => void;
};

const problemOf = (error: unknown): string =>
  error instanceof Problem ? error.message : 'The gateway does not answer.';

class Problem extends Error {}

const read = async (): Promise<Status> => {
  const response = await fetch('/status.json', { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (response.status === 403) throw new Problem('The gateway refuses requests from here (ADMIN_ALLOW).');
  if (!response.ok) throw new Problem(`The gateway answers with status ${response.status}.`);
  return (await response.json()) as Status;
};

/**
 * Reads the status every two seconds while the page is visible and not paused. After a failure it waits twice as long each time.
 * Returns a function that pauses and resumes.
 */
export const poll = ({ onStatus, onSilence }: Listener): ((isPaused: boolean) => void) => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let isPaused = false;
  let isReading = false;
  const schedule = (ms: number) => {
    clearTimeout(timer);
    if (!isPaused && !document.hidden) timer = setTimeout(() => void look(), ms);
  };
  const look = async (): Promise<void> => {
    if (isReading) return;
    isReading = true;
    let waitMs = UPDATE_MS;
    try {
      onStatus(await read());
      failures = 0;
    } catch (error) {
      waitMs = Math.min(MAX_WAIT_MS, UPDATE_MS * 2 ** failures);
      failures += 1;
      onSilence(problemOf(error), waitMs);
    } finally {
      isReading = false;
    }
    schedule(waitMs);
  };
  document.addEventListener('visibilitychange', () => schedule(0));
  void look();
  return (pause) => {
    isPaused = pause;
    schedule(0);
  };
};
