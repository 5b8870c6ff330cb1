import { useEffect, useState } from 'react';
import { readSettings } from './settings.ts';

/** Links to the status of the providers, where the gateway serves it. */
export const StatusLink = () => {
  const [hasStatus, setHasStatus] = useState(false);
  useEffect(() => {
    void readSettings().then((settings) => setHasStatus(settings.hasStatus));
  }, []);
  return hasStatus ? (
    <a className="tributary-status" href="/status">
      Status
    </a>
  ) : null;
};
