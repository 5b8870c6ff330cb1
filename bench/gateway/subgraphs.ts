import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { execute, parse } from 'graphql';
import { createSchema, SCHEMAS } from './shop.ts';

/*
 * The subgraphs of the heavy query over HTTP. Responses are cached by request body, so that the subgraphs' own cost does not
 * distort the measurement. `LATENCIES` are response times in milliseconds, used in turn.
 */

const port = Number(process.env['PORT']);
const schemas = new Map(Object.keys(SCHEMAS).map((name) => [name, createSchema(name)]));
const answers = new Map<string, Buffer>();
const latencies = (process.env['LATENCIES'] ?? '0').split(',').map(Number);
let responses = 0;

createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    const body = Buffer.concat(chunks).toString();
    const key = request.url + body;
    let answer = answers.get(key);
    if (!answer) {
      const { query, variables } = JSON.parse(body);
      const schema = schemas.get(String(request.url).slice(1));
      if (!schema) throw new Error(`There is no subgraph at ${request.url}.`);
      answer = Buffer.from(
        JSON.stringify(await execute({ schema, document: parse(query), variableValues: variables })),
      );
      answers.set(key, answer);
    }
    const latencyMs = latencies[responses++ % latencies.length] ?? 0;
    if (latencyMs > 0) await delay(latencyMs);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer);
  });
}).listen(port, '127.0.0.1');
