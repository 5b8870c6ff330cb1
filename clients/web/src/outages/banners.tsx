import { useApolloClient } from '@apollo/client/react';
import { useEffect, useState } from 'react';
import { type Outage, useOutages } from './outages.ts';

/** One banner for each provider that is down. */
export const Banners = () => {
  const outages = useOutages();
  const client = useApolloClient();
  const [isTrying, setTrying] = useState(false);
  const retry = async ({ operations }: Outage) => {
    setTrying(true);
    // After that, each part reports whether it is still missing.
    await client.refetchQueries({ include: [...operations.filter(isRefetchable)] }).catch(() => {});
    setTrying(false);
  };
  return (
    <div className="banners" role="status" aria-label="Providers that are down">
      {outages.map((outage) => (
        <p key={outage.subgraph} className={outage.isMissing ? 'banner missing' : 'banner'}>
          <span>
            <Words outage={outage} />
          </span>
          <button type="button" onClick={() => void retry(outage)} disabled={isTrying}>
            Try again
          </button>
        </p>
      ))}
    </div>
  );
};

/** Returns whether a banner can retry an operation. Further pages are retried at the end of their list. */
const isRefetchable = (operation: string): boolean => !operation.startsWith('More');

const Words = ({ outage: { subgraph, code, shownFrom, isMissing } }: { outage: Outage }) => {
  const now = useNow();
  const { name, holds } = SYSTEMS[subgraph] ?? { name: subgraph, holds: 'its part' };
  const state = STATES[code] ?? 'is unavailable';
  if (shownFrom === undefined) return `${name} ${state}. ${capitalized(holds)} cannot be loaded.`;
  const shown = `Showing ${holds} from ${formatAge(now - shownFrom)} ago`;
  return `${name} ${state}. ${shown}${isMissing ? ', where there is any' : ''}.`;
};

/** Display names of the subgraphs and of their data. */
const SYSTEMS: Readonly<Record<string, { name: string; holds: string }>> = {
  crm: { name: 'The CRM', holds: 'customers and deals' },
  payments: { name: 'The payment system', holds: 'payments' },
  inventory: { name: 'Inventory', holds: 'stock' },
  gateway: { name: 'Tributary', holds: 'anything new' },
};

const STATES: Readonly<Record<string, string>> = {
  UPSTREAM_RATE_LIMITED: 'is at its rate limit',
  UPSTREAM_UNAUTHORIZED: 'rejects our credentials',
};

const capitalized = (text: string): string => `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`;

/** Returns the current time, and rerenders the component periodically. */
const useNow = (): number => {
  const [, draw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => draw((count) => count + 1), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return Date.now();
};

const TICK_MS = 10_000;

/** Formats an age for display, e.g. `2 minutes`. */
const formatAge = (ms: number): string => {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 90) return many(seconds, 'second');
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? many(minutes, 'minute') : many(Math.round(minutes / 60), 'hour');
};

const many = (count: number, unit: string): string => `${count} ${unit}${count === 1 ? '' : 's'}`;
