import type { ErrorLike } from '@apollo/client';
import { failuresOf, inWords } from './errors.ts';
import { useStale } from './stale.ts';

/** Says that a part is missing and why, and offers to ask again. `at` is the part's place in the answer. */
export const Missing = ({
  what,
  error,
  at = [],
  onRetry,
}: {
  what: string;
  error: ErrorLike | undefined;
  at?: readonly string[];
  onRetry: () => void;
}) => {
  const reason = failuresOf(error).find(({ path }) => at.every((step, index) => path[index] === step));
  return (
    <div role="alert" className="notice missing">
      <p>
        {what} cannot be shown. {reason && inWords(reason)}
      </p>
      <button type="button" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
};

/** Says that some items of a list could not be read; the others are there. */
export const MissingItems = ({ one, many, count }: { one: string; many: string; count: number }) =>
  count > 0 && <p className="quiet">{count === 1 ? `One ${one}` : `${count} ${many}`} cannot be shown right now.</p>;

type HintProps = {
  operation: string;
  /** The part's place in the answer. */
  at?: readonly string[];
  /** Fields of the part that say so themselves. */
  except?: readonly string[];
};

/** Warns of what of a part is old because a system cannot be asked; of what is only being refreshed it says the age. */
export const StaleHint = ({ operation, at = [], except = [] }: HintProps) => {
  const stale = useStale(operation);
  const oldest = new Map<string, number>();
  let refreshingMs = 0;
  for (const { path, provider, ageMs, reason } of stale) {
    const isWithin = at.every((step, index) => path[index] === step);
    if (!isWithin || except.includes(String(path[at.length]))) continue;
    if (reason === 'REFRESHING') refreshingMs = Math.max(ageMs, refreshingMs);
    else oldest.set(provider, Math.max(ageMs, oldest.get(provider) ?? 0));
  }
  if (oldest.size === 0) return refreshingMs > 0 && <p className="quiet">From {formatAge(refreshingMs)} ago.</p>;
  return (
    <div role="status" className="notice stale">
      {[...oldest].map(([provider, ageMs]) => (
        <p key={provider}>
          {SYSTEMS[provider] ?? provider} cannot be asked right now. What it says here is from {formatAge(ageMs)} ago.
        </p>
      ))}
    </div>
  );
};

/** The subgraphs, by what people at the desk call what is behind them. */
const SYSTEMS: Readonly<Record<string, string>> = {
  crm: 'The CRM',
  payments: 'The payment system',
  inventory: 'The shop',
};

const formatAge = (ms: number): string => {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
};
