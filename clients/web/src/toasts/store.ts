import { makeVar } from '@apollo/client';

/** The result of a write, in one sentence or two. */
export type Toast = { readonly id: number; readonly kind: 'success' | 'failure'; readonly text: string };

/** The toasts on the page, oldest first. */
export const toasts = makeVar<readonly Toast[]>([]);

let last = 0;

/** Shows the result of a write, wherever the reader has gone in the meantime. */
export const showToast = (kind: Toast['kind'], text: string): void => {
  last += 1;
  toasts([...toasts(), { id: last, kind, text }]);
};

/** Takes a toast away. */
export const dismissToast = (id: number): void => {
  toasts(toasts().filter((toast) => toast.id !== id));
};

/** Where toasts are shown: a modal dialog covers the page and makes it inert. */
export const toastPlace = makeVar<'page' | 'dialog'>('page');
