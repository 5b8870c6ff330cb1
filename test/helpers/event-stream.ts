/** An event of a stream, as the HTML standard parses it. An id without data is no event. */
export type StreamEvent = { readonly event: string; readonly id: string; readonly data: string };

export type EventStream = {
  readonly status: number;
  readonly headers: Headers;
  /** The events that have arrived. */
  readonly events: readonly StreamEvent[];
  /** The results of these events. */
  // biome-ignore lint/suspicious/noExplicitAny: any result
  readonly results: () => any[];
  /** The last id that has arrived, which a browser would send as `Last-Event-ID`. */
  readonly lastEventId: () => string;
  /** Resolves when the stream has ended, with its whole text. */
  readonly ended: Promise<string>;
  readonly close: () => void;
};

/** Sends an operation to a gateway and reads the response as server-sent events. Resolves with the header of the response. */
export const openEventStream = async (
  url: string,
  operation: { readonly query: string; readonly variables?: object; readonly extensions?: object },
  headers: Readonly<Record<string, string>> = {},
): Promise<EventStream> => {
  const controller = new AbortController();
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: JSON.stringify(operation),
    signal: controller.signal,
  });
  const events: StreamEvent[] = [];
  let lastEventId = '';
  let text = '';
  let event = 'message';
  let data: string[] = [];
  const readLine = (line: string): void => {
    if (line === '') {
      if (data.length > 0) events.push({ event, id: lastEventId, data: data.join('\n') });
      event = 'message';
      data = [];
      return;
    }
    const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === 'event') event = value;
    if (name === 'id') lastEventId = value;
    if (name === 'data') data.push(value);
  };
  const read = async (): Promise<string> => {
    let rest = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        const part = decoder.decode(chunk as Uint8Array, { stream: true });
        text += part;
        const lines = (rest + part).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) readLine(line);
      }
    } catch {
      // Closed, by either side.
    }
    return text;
  };
  return {
    status: response.status,
    headers: response.headers,
    events,
    results: () => events.filter((one) => one.event === 'next').map((one) => JSON.parse(one.data)),
    lastEventId: () => lastEventId,
    ended: read(),
    close: () => controller.abort(),
  };
};

/** Returns the errors with which a subscription was refused: in the stream or, for a client that also accepts JSON, as the response. */
// biome-ignore lint/suspicious/noExplicitAny: any errors
export const refusalOf = async (stream: EventStream): Promise<any> => {
  const text = await stream.ended;
  return stream.events.length > 0 ? stream.results()[0] : JSON.parse(text);
};
