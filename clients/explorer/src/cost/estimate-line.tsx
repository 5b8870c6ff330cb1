import { useEffect, useState } from 'react';
import { type Estimate, type Explanation, useEstimate } from './estimate.ts';
import { OperationName } from './operation-name.tsx';
import { type Run, useRun } from './report.ts';
import { many, toFigure } from './words.ts';

type CallRows = NonNullable<Run['calls']>;

/** The estimate of the operation in the editor, in one line, with a button for the table. */
export const EstimateLine = ({ id, isOpen, toggle }: { id: string; isOpen: boolean; toggle: () => void }) => {
  const estimate = useEstimate();
  const calls = useCallsOf(estimate);
  const text = toText(estimate, calls);
  return (
    <div className="tributary-line tributary-estimate-line">
      <p>{text}</p>
      {estimate.kind === 'estimate' && (
        <button type="button" onClick={toggle} aria-expanded={isOpen} aria-controls={id}>
          {isOpen ? 'Hide estimate' : 'Show estimate'}
        </button>
      )}
      <Announcement text={text} />
    </div>
  );
};

/** Returns the provider calls of the last run, if the estimate is of the same operation. */
const useCallsOf = (estimate: Estimate): CallRows | undefined => {
  const run = useRun();
  return estimate.kind === 'estimate' && run?.key === estimate.key ? run.calls : undefined;
};

const sumOf = (calls: CallRows): number => calls.reduce((sum, row) => sum + row.calls, 0);

const toText = (estimate: Estimate, calls: CallRows | undefined): string => {
  if (estimate.kind === 'none') return `No estimate: ${estimate.reason}`;
  const { calls: all, providers, budget } = estimate.explanation;
  const last = calls ? ` Last run: ${sumOf(calls)}.` : '';
  if (all.atMost === 0) return `No provider calls.${last}`;
  const parts = providers.map(({ subgraph, expected }) => `${subgraph} ${toFigure(expected)}`).join(', ');
  const refusal = budget ? ` It would be refused now: ${budget.message}` : '';
  const noun = all.expected === 1 ? 'call' : 'calls';
  return `${parts}: ${toFigure(all.expected)} ${noun} expected, at most ${toFigure(all.atMost)}.${last}${refusal}`;
};

/** Time for which a text must stay the same before it is announced, in milliseconds. Longer than a pause in typing. */
const ANNOUNCED_AFTER_MS = 2_000;

/** Announces a text to screen readers once it does not change any more. */
const Announcement = ({ text }: { text: string }) => {
  const [announced, setAnnounced] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setAnnounced(text), ANNOUNCED_AFTER_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <p aria-live="polite" className="tributary-announced">
      {announced}
    </p>
  );
};

/** The estimated calls of each provider operation, beside those of the last run. */
export const EstimateTable = () => {
  const estimate = useEstimate();
  const calls = useCallsOf(estimate);
  if (estimate.kind === 'none') return null;
  const { explanation } = estimate;
  const repeats = explanation.providers.reduce((sum, one) => sum + one.repeats, 0);
  return (
    <>
      <table className="tributary-table" aria-label="Estimated provider calls">
        <thead>
          <tr>
            <th scope="col">Provider operation</th>
            <th scope="col">At least</th>
            <th scope="col">Expected</th>
            <th scope="col">At most</th>
            <th scope="col">Saved</th>
            {calls && <th scope="col">Last run</th>}
          </tr>
        </thead>
        {explanation.providers.map(({ subgraph }) => (
          <Provider key={subgraph} subgraph={subgraph} explanation={explanation} calls={calls} />
        ))}
        <tbody>
          <tr className="total">
            <th scope="row">All</th>
            <Figures of={explanation.calls} />
            {calls && <td>{sumOf(calls)}</td>}
          </tr>
        </tbody>
      </table>
      <p>
        <small>
          Saved: calls that the cache is expected to save.
          {repeats > 0 && ` At most: of all calls, ${toFigure(repeats)} may be repeats of failed ones.`} The response
          has about {many(explanation.objects, 'object')}.
        </small>
      </p>
    </>
  );
};

type ProviderProps = { subgraph: string; explanation: Explanation; calls: CallRows | undefined };

const Provider = ({ subgraph, explanation: { providers, operations }, calls }: ProviderProps) => {
  const provider = providers.find((one) => one.subgraph === subgraph);
  const expected = operations.filter((one) => one.subgraph === subgraph);
  const made = calls?.filter((one) => one.subgraph === subgraph) ?? [];
  const callsOf = (operation: string) => sumOf(made.filter((one) => one.operation === operation));
  const unexpected = made.filter(
    ({ operation, calls: count }) => count > 0 && !expected.some((one) => one.operation === operation),
  );
  return (
    <tbody>
      <tr className="total">
        <th scope="row">{subgraph}</th>
        {provider && <Figures of={provider} />}
        {calls && <td>{sumOf(made)}</td>}
      </tr>
      {expected.map((one) => (
        <tr key={one.operation}>
          <th scope="row">
            <OperationName name={one.operation} />
          </th>
          <Figures of={one} />
          {calls && <td>{callsOf(one.operation)}</td>}
        </tr>
      ))}
      {unexpected.map(({ operation, calls: count }) => (
        <tr key={operation}>
          <th scope="row">
            <OperationName name={operation} />
          </th>
          <Figures of={NO_CALLS} />
          <td>{count}</td>
        </tr>
      ))}
    </tbody>
  );
};

const NO_CALLS = { atLeast: 0, expected: 0, atMost: 0, saved: 0 };

const Figures = ({ of: { atLeast, expected, atMost, saved } }: { of: Explanation['calls'] }) => (
  <>
    <td>{toFigure(atLeast)}</td>
    <td>{toFigure(expected)}</td>
    <td>{toFigure(atMost)}</td>
    <td>{toFigure(saved)}</td>
  </>
);
