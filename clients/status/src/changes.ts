import { h } from './dom.ts';
import type { Status } from './status.ts';
import { count, number, seconds } from './words.ts';

/** Lists the events that cannot be applied. */
const LIST_COMMAND = 'npm run events -- list';

/** Renders the events of providers on their way to subscribers; nothing in a process that has neither. */
export const renderChanges = ({ inbox, subscriptions }: Pick<Status, 'inbox' | 'subscriptions'>): Element | null =>
  inbox || subscriptions
    ? h(
        'section',
        { 'data-key': 'changes', 'aria-labelledby': 'changes' },
        h('h2', { id: 'changes' }, 'Changes'),
        h('div', { class: 'cards' }, renderInbox(inbox), subscriptions && renderSubscriptions(subscriptions)),
      )
    : null;

const fact = (name: string, ...value: readonly (Node | string)[]): Element =>
  h('div', { 'data-key': name }, h('dt', {}, name), h('dd', {}, ...value));

const renderInbox = (inbox: Status['inbox']): Element => {
  const parked = inbox?.parked ?? 0;
  return h(
    'article',
    {
      'data-key': 'inbox',
      class: parked > 0 ? 'card failing' : inbox ? 'card' : 'card idle',
      'aria-labelledby': 'inbox',
    },
    h('h3', { id: 'inbox' }, 'Inbox'),
    inbox
      ? h(
          'dl',
          {},
          fact('Waiting', count(inbox.waiting, 'event')),
          fact('Lag', inbox.waiting > 0 ? `${seconds(inbox.oldestWaitingS)}, the oldest` : 'none'),
          fact('Parked', count(parked, 'event')),
        )
      : h('p', {}, 'No provider reports changes here.'),
    parked > 0 &&
      h('p', { 'data-key': 'parked' }, 'Events that cannot be applied. See why: ', h('code', {}, LIST_COMMAND)),
  );
};

const renderSubscriptions = ({ subscribers, groups }: NonNullable<Status['subscriptions']>): Element =>
  h(
    'article',
    { 'data-key': 'subscriptions', class: subscribers > 0 ? 'card' : 'card idle', 'aria-labelledby': 'subscriptions' },
    h('h3', { id: 'subscriptions' }, 'Subscriptions'),
    h('dl', {}, fact('Subscribers', number(subscribers)), fact('Groups', number(groups))),
    h('p', { class: 'quiet' }, 'Each event is executed once for a group.'),
  );
