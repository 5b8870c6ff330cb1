export const THEMES = ['system', 'light', 'dark'] as const;

export type Theme = (typeof THEMES)[number];

const KEY = 'tributary:theme';

/** The theme chosen in this browser; the system's own where none was chosen. */
export const readTheme = (): Theme => {
  try {
    const stored = localStorage.getItem(KEY);
    return THEMES.find((theme) => theme === stored) ?? 'system';
  } catch {
    return 'system';
  }
};

/** Shows the page in a theme. The stylesheet's `color-scheme` does the rest. */
export const applyTheme = (theme: Theme): void => {
  document.documentElement.dataset['theme'] = theme;
};

/** Shows the page in a theme, and remembers it. */
export const chooseTheme = (theme: Theme): void => {
  applyTheme(theme);
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // A browser that stores nothing still shows the theme until the page is closed.
  }
};
