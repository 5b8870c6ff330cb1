import type { ErrorLike } from '@apollo/client';
import { useEffect, useRef } from 'react';
import { failuresOf, inWords, isNoAccess, isOutage } from './errors.ts';

type MissingProps = {
  what: string;
  error: ErrorLike | undefined;
  /** The part's path in the response. */
  at?: readonly string[];
  onRetry: () => void;
};

/** A note that a part is missing. For a provider that is down, the banner gives the reason and offers a retry. */
export const Missing = ({ what, error, at = [], onRetry }: MissingProps) => {
  const reason = failuresOf(error).find(({ path }) => at.every((step, index) => path[index] === step));
  if (reason && isOutage(reason)) return <p className="notice absent">{what} could not be loaded.</p>;
  if (reason && isNoAccess(reason)) {
    return <p className="notice absent">You have no access to {`${what[0]?.toLowerCase() ?? ''}${what.slice(1)}`}.</p>;
  }
  return <Failed what={what} error={error} at={at} onRetry={onRetry} />;
};

const Failed = ({ what, error, at = [], onRetry }: MissingProps) => {
  const reason = failuresOf(error).find(({ path }) => at.every((step, index) => path[index] === step));
  return (
    <div role="alert" className="notice missing">
      <p>
        {what} could not be loaded. {reason && inWords(reason)}
      </p>
      <button type="button" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
};

/** A note that some items of a list could not be read. */
export const MissingItems = ({ one, many, count }: { one: string; many: string; count: number }) =>
  count > 0 && <p className="quiet">{count === 1 ? `One ${one}` : `${count} ${many}`} could not be loaded.</p>;

type ShowMoreProps = {
  /** The plural noun for the items, e.g. `payments`. */
  many: string;
  hasMore: boolean;
  /** The number of items shown. */
  count: number;
  loading: boolean;
  /** Whether the last attempt to show more has failed. */
  error: ErrorLike | undefined;
  onMore: () => void;
};

/** The end of a list: a button for the next page, or a line saying that there are no more items. */
export const ShowMore = ({ many, hasMore, count, loading, error, onMore }: ShowMoreProps) => {
  const end = useRef<HTMLParagraphElement>(null);
  const hadFocus = useRef(false);
  useEffect(() => {
    // The pressed button is gone, and the focus with it.
    if (!hasMore && hadFocus.current) end.current?.focus();
    hadFocus.current = false;
  }, [hasMore]);
  const more = () => {
    if (loading) return;
    hadFocus.current = true;
    onMore();
  };
  if (count === 0 && !hasMore) return null;
  if (!hasMore) {
    return (
      <p ref={end} tabIndex={-1} className="quiet end">
        {count === 1 ? `No more ${many}.` : `No more ${many}: all ${count} are shown.`}
      </p>
    );
  }
  if (error && !loading) return <Failed what={`More ${many}`} error={error} onRetry={more} />;
  return (
    // Not `disabled`, which would take the focus from the button.
    <button type="button" className="more" onClick={more} aria-disabled={loading}>
      {loading ? `Loading more ${many}…` : `Show more ${many}`}
    </button>
  );
};
