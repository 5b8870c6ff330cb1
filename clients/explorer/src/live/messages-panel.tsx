import { useEffect, useId, useState } from 'react';
import { many } from '../cost/words.ts';
import { readSettings } from '../settings.ts';
import { Chain } from './chain.tsx';
import { type Message, type Stream, useStream } from './messages.ts';
import { SAMPLE_CHANGES, type SampleChange } from './sample-change.ts';

const STATES: Readonly<Record<Stream['state'], string>> = {
  opening: 'Opening the subscription…',
  open: 'Subscribed.',
  ended: 'The subscription has ended.',
};

/** The messages of a subscription, newest first, each with what has caused it. Displayed while and after one runs. */
export const MessagesPanel = ({ isNarrow }: { isNarrow: boolean }) => {
  const id = useId();
  const stream = useStream();
  const [isOpen, setOpen] = useState(!isNarrow);
  if (!stream) return null;
  const { state, count, messages } = stream;
  const waits = state === 'open' && count === 0 ? ' Waiting for a change.' : '';
  return (
    // GraphiQL defines its colors for the elements with its own class.
    <section aria-label="Messages" className="graphiql-container tributary-cost">
      <div className="tributary-line">
        <output>
          <strong>{STATES[state]}</strong>
          {waits || ` ${many(count, 'message')}.`}
        </output>
        {state === 'open' && <SampleChanges />}
        <button type="button" onClick={() => setOpen(!isOpen)} aria-expanded={isOpen} aria-controls={id}>
          {isOpen ? 'Hide messages' : 'Show messages'}
        </button>
      </div>
      <section
        id={id}
        aria-label="What has caused each message"
        hidden={!isOpen || count === 0}
        className="tributary-pane tributary-messages"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: has to be scrolled with the keyboard.
        tabIndex={0}
      >
        <ol>
          {messages.map((message) => (
            <One key={message.number} message={message} />
          ))}
        </ol>
      </section>
    </section>
  );
};

const One = ({ message }: { message: Message }) => {
  const { number, result } = message;
  const { data, errors = [] } = result;
  const missed = result.extensions?.tributary?.missed ?? 0;
  return (
    <li aria-label={`Message ${number}`}>
      <Chain message={message} />
      {missed > 0 && <p>{many(missed, 'message')} before it arrived too fast, and was left out.</p>}
      {errors.map(({ message: text }) => (
        <p key={text} className="tributary-stale">
          {text}
        </p>
      ))}
      {data && <pre>{JSON.stringify(data, null, 2)}</pre>}
    </li>
  );
};

/** Buttons that change the sample data, where a sandbox of the gateway has it. */
const SampleChanges = () => {
  const [changes, setChanges] = useState<readonly SampleChange[]>([]);
  const [outcome, setOutcome] = useState('');
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    void readSettings().then(({ sandboxes }) =>
      setChanges(SAMPLE_CHANGES.filter(({ subgraph }) => sandboxes.includes(subgraph))),
    );
  }, []);
  const make = async ({ run }: SampleChange) => {
    setBusy(true);
    try {
      setOutcome(await run());
    } catch (error) {
      setOutcome(`Nothing was changed. ${(error as Error).message}`);
    }
    setBusy(false);
  };
  if (changes.length === 0) return null;
  return (
    <span className="tributary-changes">
      {changes.map((change) => (
        <button key={change.label} type="button" onClick={() => void make(change)} aria-disabled={isBusy}>
          {change.label}
        </button>
      ))}
      <small role="status">{outcome}</small>
    </span>
  );
};
