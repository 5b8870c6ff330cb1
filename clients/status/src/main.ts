import './status.css';
import { renderChanges } from './changes.ts';
import { h, update } from './dom.ts';
import { poll } from './poll.ts';
import { renderProcesses } from './processes.ts';
import { HEALTH_WORDS, type Health, type Status, VERSION } from './status.ts';
import { renderSubgraphs } from './subgraphs.ts';
import { renderCallsNote, renderCosts, renderCounts } from './tables.ts';

const element = (id: string): HTMLElement => document.querySelector(`#${id}`) as HTMLElement;

const [main, updated, connection, announced, pause] = ['status', 'updated', 'connection', 'announced', 'pause'].map(
  element,
) as [HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement];

/** Changes text only if it differs, because screen readers read a change. */
const write = (to: HTMLElement, text: string): void => {
  if (to.textContent !== text) to.textContent = text;
};

const FINE: ReadonlySet<Health> = new Set(['ok', 'idle']);

/** Names the providers that are not well, in words. */
const summarize = ({ subgraphs }: Status): string => {
  const troubled = subgraphs.filter(({ health }) => !FINE.has(health));
  if (troubled.length === 0) return 'No provider has a problem.';
  return `${troubled.map(({ subgraph, health }) => `${subgraph}: ${HEALTH_WORDS[health].toLowerCase()}`).join('; ')}.`;
};

const render = (status: Status): void => {
  const { kind, operations, clients, refusals, errors, subgraphs, processes } = status;
  const costs = [
    renderCosts('operations', 'Operations that cost most', 'Operation', operations),
    renderCosts('clients', 'Clients by provider calls', 'Client', clients),
    renderCallsNote(),
    h(
      'div',
      { class: 'pair', 'data-key': 'counts' },
      renderCounts('refusals', 'Refused requests', refusals),
      renderCounts('errors', 'Operations with errors', errors),
    ),
  ];
  const sections = [
    renderSubgraphs(subgraphs),
    renderChanges(status),
    ...(kind === 'gateway' ? costs : []),
    renderProcesses(processes),
  ];
  update(main, h('main', { id: 'status' }, ...sections));
  const summary = summarize(status);
  write(announced, summary);
  document.title = `${summary.replace(/\.$/, '')} – Tributary status`;
};

const time = (at: string | number): string => new Date(at).toLocaleTimeString('en-GB');

const setPaused = poll({
  onStatus: (status) => {
    if (status.version !== VERSION) {
      write(connection, 'The gateway has another version than this page. Reload the page.');
      return;
    }
    write(connection, '');
    main.classList.remove('old');
    render(status);
    write(updated, `Version ${status.product}, updated at ${time(status.at)}.`);
  },
  onSilence: (problem, retryMs) => {
    main.classList.add('old');
    write(connection, `${problem} What you see is old.`);
    write(
      updated,
      `${updated.textContent?.replace(/ Next attempt.*$/, '') ?? ''} Next attempt at ${time(Date.now() + retryMs)}.`,
    );
  },
});

let isPaused = false;
pause.addEventListener('click', () => {
  isPaused = !isPaused;
  write(pause, isPaused ? 'Resume updates' : 'Pause updates');
  setPaused(isPaused);
});
