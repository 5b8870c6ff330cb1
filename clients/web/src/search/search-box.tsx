import { useEffect, useId, useRef, useState } from 'react';

// Without the delay, every keystroke would be a search, and HubSpot allows four per second.
const PAUSE_MS = 300;

/** The search field. Calls `onSearch` when typing pauses. */
export const SearchBox = ({ text, onSearch }: { text: string; onSearch: (text: string) => void }) => {
  const id = useId();
  const [typed, setTyped] = useState(text);
  const wanted = typed.trim().normalize('NFC');
  const sent = useRef(text);
  useEffect(() => {
    if (wanted === text) return;
    const timer = setTimeout(() => {
      sent.current = wanted;
      onSearch(wanted);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [wanted, text, onSearch]);
  // Going back in the browser changes the search text too.
  useEffect(() => {
    if (text === sent.current) return;
    sent.current = text;
    setTyped(text);
  }, [text]);
  return (
    <search>
      <label htmlFor={id}>Search</label>
      <input
        id={id}
        type="search"
        placeholder="Name, company, order or deal"
        value={typed}
        onChange={({ target }) => setTyped(target.value)}
        autoComplete="off"
      />
    </search>
  );
};
