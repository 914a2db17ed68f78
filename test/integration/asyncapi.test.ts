import { expect, test } from 'bun:test';
import { Parser } from '@asyncapi/parser';
import { closeCodes, errorCodes } from '../../src/errors.ts';
import { clientFrames } from '../../src/protocol/client-frames.ts';
import { serverFrames } from '../../src/protocol/server-frames.ts';
import { startServer } from '../support/server.ts';

const server = await startServer();
const json = async (path: string) => (await server.fetch(path)).json();

test('/asyncapi.json is a valid AsyncAPI 3 document of every frame, with the address of the request', async () => {
  const text = await (await server.fetch('/asyncapi.json')).text();
  const { document, diagnostics } = await new Parser().parse(text);
  expect(diagnostics.filter(({ severity }) => severity <= 1)).toEqual([]);
  expect(document?.version()).toBe('3.0.0');
  expect(document?.servers().get('here')?.host()).toBe(new URL(server.url).host);
  const names = document
    ?.messages()
    .all()
    .map((message) => message.id())
    .sort();
  const expected = [
    ...Object.keys(clientFrames).map((type) => `client_${type}`),
    ...Object.keys(serverFrames).map((type) => `server_${type}`),
  ];
  expect(names).toEqual(expected.sort());
  // The server receives the frames of clients, and replies with its own.
  const operations = document?.operations().all() ?? [];
  expect(
    operations
      .filter((each) => each.isReceive())
      .map((each) => each.id())
      .sort(),
  ).toEqual(Object.keys(clientFrames).sort());
  const replies = operations
    .filter((each) => each.isReceive())
    .map((each) => each.reply()?.messages().length);
  expect(Math.min(...replies.map((count) => count ?? 0))).toBeGreaterThan(1);
});

test('/ws-info publishes the schemas of both sides as the server uses them, and every code', async () => {
  const info = await json('/ws-info');
  const plain = (schemas: object) => JSON.parse(JSON.stringify(schemas));
  expect(info.schemas).toEqual(plain(clientFrames));
  expect(info.serverSchemas).toEqual(plain(serverFrames));
  expect(info.serverSchemas.message.anyOf).toHaveLength(2);
  expect(Object.keys(info.errorCodes)).toEqual(Object.keys(errorCodes));
  expect(info.errorCodes).toMatchObject({
    rate_limited: expect.stringMatching(/retryAfter/),
    method_not_allowed: expect.any(String),
    unsupported_media_type: expect.any(String),
    upgrade_required: expect.any(String),
  });
  const reconnect = Object.fromEntries(
    Object.entries<{ reconnect: string }>(info.closeCodes).map(([code, close]) => [
      code,
      close.reconnect,
    ]),
  );
  expect(reconnect).toEqual({
    1009: 'no',
    1011: 'later',
    1012: 'later',
    4400: 'no',
    4401: 'token',
    4403: 'no',
    4408: 'now',
    4429: 'later',
  });
  expect(Object.keys(reconnect)).toHaveLength(Object.keys(closeCodes).length);
});
