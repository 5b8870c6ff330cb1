import { useReactiveVar } from '@apollo/client/react';
import { useEffect, useState } from 'react';
import { dismissToast, type Toast, toastPlace, toasts } from './store.ts';

const SHOWN_MS = 8_000;

/**
 * The results of writes, which screen readers announce. The region always exists, because one that appears together
 * with its text is not announced.
 */
export const Toasts = ({ place }: { place: 'page' | 'dialog' }) => {
  const all = useReactiveVar(toasts);
  const isHere = useReactiveVar(toastPlace) === place;
  return (
    <div className="toasts" role="log" aria-label="Results" aria-live="polite">
      {isHere && all.map((toast) => <One key={toast.id} toast={toast} />)}
    </div>
  );
};

/** A toast. A success disappears unless the pointer is over it; a failure stays until it is dismissed. */
const One = ({ toast: { id, kind, text } }: { toast: Toast }) => {
  const [isHeld, setHeld] = useState(false);
  const isLasting = kind === 'failure' || isHeld;
  useEffect(() => {
    if (isLasting) return;
    const timer = setTimeout(() => dismissToast(id), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [id, isLasting]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the handlers only keep it visible.
    <div
      className={`toast ${kind}`}
      onMouseEnter={() => setHeld(true)}
      onMouseLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <span>{text}</span>
      <button type="button" onClick={() => dismissToast(id)} aria-label="Dismiss">
        ×
      </button>
    </div>
  );
};
