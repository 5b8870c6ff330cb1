import { reconnect, useLiveState } from './state.ts';
import type { Change } from './use-live-customer.ts';

/** Says whether the page shows changes as they happen. Nothing where it cannot. */
export const LiveSign = ({ change }: { change: Change | undefined }) => {
  const state = useLiveState();
  return (
    <div className={`live ${state ?? ''}`}>
      {/* The regions always exist, because one that appears together with its text is not announced. */}
      <span role="status" aria-label="Live updates">
        {state === 'live' && 'Live'}
        {state === 'lost' && 'Not live. Reconnecting…'}
        {state === 'paused' && 'Not live. Your sign-in has expired.'}
      </span>
      {state === 'live' && change && <span className="at">Last change at {formatTime(change.at)}</span>}
      {(state === 'lost' || state === 'paused') && (
        <button type="button" className="link" onClick={reconnect}>
          {state === 'paused' ? 'Sign in again' : 'Reconnect now'}
        </button>
      )}
      <span aria-live="polite" className="hidden">
        {change?.text}
      </span>
    </div>
  );
};

const formatTime = (at: number): string => new Date(at).toLocaleTimeString(undefined, { timeStyle: 'medium' });
