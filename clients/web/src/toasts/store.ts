import { makeVar } from '@apollo/client';

/** A message about the result of a write. */
export type Toast = { readonly id: number; readonly kind: 'success' | 'failure'; readonly text: string };

/** The toasts on the page, oldest first. */
export const toasts = makeVar<readonly Toast[]>([]);

let last = 0;

/** Shows the result of a write on whatever page is open. */
export const showToast = (kind: Toast['kind'], text: string): void => {
  last += 1;
  toasts([...toasts(), { id: last, kind, text }]);
};

/** Removes a toast. */
export const dismissToast = (id: number): void => {
  toasts(toasts().filter((toast) => toast.id !== id));
};

/** Where toasts are shown: a modal dialog covers the page and makes it inert. */
export const toastPlace = makeVar<'page' | 'dialog'>('page');
