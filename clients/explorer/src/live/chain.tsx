import { inMs, many } from '../cost/words.ts';
import type { Cause, Message } from './messages.ts';

const timeOf = (at: string): string => {
  const date = new Date(at);
  return `${date.toLocaleTimeString('en-GB')}.${String(date.getMilliseconds()).padStart(3, '0')}`;
};

const between = (from: string, to: string): string => inMs(Math.max(0, Date.parse(to) - Date.parse(from)));

/** The chain from a provider's webhook to a message: arrival, event, what it has invalidated, message, each with its time. */
export const Chain = ({ message: { number, result, arrivedAt } }: { message: Message }) => {
  const { eventId, cause } = result.extensions?.tributary ?? {};
  return (
    <ol className="tributary-chain" aria-label={`What has caused message ${number}`}>
      {cause && <Arrival cause={cause} />}
      {eventId && (
        <li>
          <b>Event</b>
          <code>{eventId}</code>
        </li>
      )}
      {cause && <Invalidation cause={cause} />}
      <li>
        <b>Message {number}</b>
        {cause ? (
          <>
            <span>{timeOf(cause.sentAt)}</span>
            <small>{between(cause.receivedAt, cause.sentAt)} after the webhook</small>
          </>
        ) : (
          <span>{timeOf(new Date(arrivedAt).toISOString())}</span>
        )}
      </li>
    </ol>
  );
};

const Arrival = ({ cause: { provider, type, object, receivedAt } }: { cause: Cause }) => (
  <li>
    <b>Webhook of {provider}</b>
    <code>{type}</code>
    {object && <small>{object}</small>}
    <span>{timeOf(receivedAt)}</span>
  </li>
);

const Invalidation = ({ cause: { invalidated, receivedAt, invalidatedAt } }: { cause: Cause }) => (
  <li>
    <b>Invalidated</b>
    {invalidated.length === 0 && <span>nothing</span>}
    {invalidated.map(({ read, scopes }) => (
      <code key={read} title={scopes === 'all' ? 'all' : many(scopes, 'key')}>
        {read}
        {scopes === 'all' ? ' (all)' : ''}
      </code>
    ))}
    {invalidatedAt && <small>after {between(receivedAt, invalidatedAt)}</small>}
  </li>
);
