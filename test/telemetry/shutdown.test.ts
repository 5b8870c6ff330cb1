import { expect, test } from 'vitest';
import type { TelemetryEvent } from '../../telemetry/events.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { startGuardedGraph } from '../gateway/auth/guarded-graph.ts';
import { connectRaw, postText } from '../helpers/raw-socket.ts';

test('requests that are refused during a shutdown are no sign of overload', async () => {
  const events: TelemetryEvent[] = [];
  const telemetry = createTelemetry();
  telemetry.listen({ on: (event) => void events.push(event) });
  const shop = { schema: 'type Query { name: String }', resolvers: { Query: { name: () => 'Shop' } } };
  const graph = await startGuardedGraph({ shop }, { telemetry });
  const gate = Promise.withResolvers<undefined>();
  graph.subgraphs.shop.before = () => gate.promise;
  const raw = await connectRaw(graph.url);
  const body = '{"query":"{ name }"}';
  raw.write(postText(body));
  await expect.poll(() => graph.subgraphs.shop.requests).toHaveLength(1);
  const closed = graph.close();
  // On the connection whose first request still runs.
  raw.write(postText(body));
  await expect.poll(() => events.filter(({ type }) => type === 'refusal')).toMatchObject([{ code: 'SHUTTING_DOWN' }]);
  gate.resolve(undefined);
  await closed;
  await raw.closed;
});
