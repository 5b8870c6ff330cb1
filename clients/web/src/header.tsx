import { useId, useState } from 'react';
import { Link } from 'wouter';
import { chooseTheme, readTheme, THEMES, type Theme } from './theme.ts';

const NAMES: Readonly<Record<Theme, string>> = { system: 'System', light: 'Light', dark: 'Dark' };

/** The header: the product's name, the page's name and the theme switch. */
export const Header = ({ name }: { name: string }) => (
  <header>
    <h1>
      <Link href="/">
        <Mark />
        Tributary <small>{name}</small>
      </Link>
    </h1>
    <ThemeSwitch />
  </header>
);

const ThemeSwitch = () => {
  const id = useId();
  const [theme, setTheme] = useState(readTheme);
  const choose = (value: Theme) => {
    setTheme(value);
    chooseTheme(value);
  };
  return (
    <div className="theme">
      <label htmlFor={id}>Theme</label>
      <select id={id} value={theme} onChange={({ target }) => choose(target.value as Theme)}>
        {THEMES.map((value) => (
          <option key={value} value={value}>
            {NAMES[value]}
          </option>
        ))}
      </select>
    </div>
  );
};

/** The logo: three streams that join. */
const Mark = () => (
  <svg
    viewBox="0 0 24 24"
    width="22"
    height="22"
    fill="none"
    stroke="currentColor"
    strokeWidth="2.5"
    aria-hidden="true"
  >
    <path d="M4 3c0 7 8 6 8 12M20 3c0 7-8 6-8 12M12 3v18" strokeLinecap="round" />
  </svg>
);
