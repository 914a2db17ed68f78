import { describe, expect, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { pino } from 'pino';
import { problems } from '../../src/http/plugins/problems.ts';
import { API_KEY } from '../support/people.ts';
import { fresh, startServer } from '../support/server.ts';

const server = await startServer({ apiKey: API_KEY });

const send = (method: string, path: string, body?: BodyInit, type = 'application/json') =>
  server.fetch(path, {
    method,
    ...(body !== undefined && { body, headers: { 'content-type': type } }),
  });

/** The status, the code and the paths of the errors. */
async function problem(reply: Response) {
  const { code, detail, errors } = await reply.json();
  expect(reply.headers.get('content-type')).toBe('application/problem+json');
  const pointers = errors?.map(({ pointer }: { pointer: string }) => pointer);
  return { status: reply.status, code, detail, pointers };
}

describe('an invalid request', () => {
  const cases: [method: string, path: string, body: unknown, pointers: string[], detail: string][] =
    [
      [
        'GET',
        '/messages?limit=0',
        undefined,
        ['#/limit'],
        '"limit" must be a whole number from 1 to 100',
      ],
      [
        'GET',
        '/messages?limit=ten',
        undefined,
        ['#/limit'],
        '"limit" must be a whole number from 1 to 100',
      ],
      [
        'GET',
        '/messages?before=-1',
        undefined,
        ['#/before'],
        '"before" must be a whole number from 0 on',
      ],
      ['GET', '/messages?limit=0&before=x', undefined, ['#/limit', '#/before'], '"limit" must be'],
      [
        'GET',
        '/messages?colour=red',
        undefined,
        ['#/colour'],
        '"colour" is not a field of the query',
      ],
      ['GET', '/messages?room=a%20b', undefined, ['#/room'], '"room" must be a room: 1 to 64 of'],
      ['GET', '/messages/0', undefined, ['#/id'], '"id" must be a whole number from 1 on'],
      ['GET', '/me/rooms?after=%00&username=ana', undefined, ['#/after'], '"after" must be'],
      ['GET', '/rooms?after=%00', undefined, ['#/after'], '"after" must be'],
      ['GET', '/messages/search', undefined, ['#/q'], '"q" is missing; it must be words'],
      ['POST', '/users', {}, ['#/username'], '"username" is missing; it must be a name'],
      ['POST', '/users', [], ['#'], 'The body must be a JSON object'],
      [
        'POST',
        '/users',
        { username: { toString: 1, valueOf: 1 } },
        ['#/username'],
        '"username" must be a name',
      ],
      ['POST', '/users', { username: 'a b' }, ['#/username'], '"username" must be a name'],
      [
        'POST',
        '/users',
        { username: 'ana', password: 'short' },
        ['#/password'],
        '"password" must be a password',
      ],
      [
        'POST',
        '/messages',
        { username: 'ana', content: 5, replyTo: 'x', colour: 1 },
        ['#/colour', '#/content', '#/replyTo'],
        '"colour" is not a field of the body',
      ],
      [
        'POST',
        '/messages',
        { username: 'ana', content: ' ' },
        ['#/content'],
        '"content" must be text that is not blank',
      ],
      [
        'POST',
        '/notifications',
        { to: ['ana', 5], data: 1 },
        ['#/to'],
        '"to" must be a list of 1 to 1000',
      ],
      [
        'POST',
        '/rooms',
        { name: 'no room', private: 'yes' },
        ['#/private'],
        '"private" must be true or false',
      ],
      [
        'POST',
        '/users',
        '{"__proto__":{"x":1},"username":"ana"}',
        ['#/__proto__'],
        '"__proto__" is not a field',
      ],
    ];

  test('names each field and its place in `errors`, and the expected value', async () => {
    await server.post('/users', { username: 'ana' });
    for (const [method, path, body, pointers, detail] of cases) {
      const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
      const found = await problem(await send(method, path, text));
      expect({ path, body, ...found }).toEqual({
        path,
        body,
        status: 400,
        code: 'invalid_frame',
        detail: expect.stringContaining(detail),
        pointers,
      });
    }
  });

  test('gets an answer of bounded size, however large or deep it is, and no fault of the server', async () => {
    const deep = (open: string, close: string, levels: number) =>
      open.repeat(levels) + close.repeat(levels);
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`field${n}`, n]));
    await server.post('/users', { username: 'ana' });
    for (const [path, body] of [
      ['/users', deep('[', ']', 5_000)],
      ['/users', deep('[', ']', 200_000)],
      ['/users', `{"username":${deep('[', ']', 20_000)}}`],
      ['/users', `{"username":${deep('{"a":', '}', 20_000).replace(':}', ':1}')}}`],
      ['/messages', `{"username":"ana","content":"x","data":${deep('[', ']', 5_000)}}`],
      ['/messages', `{"username":"ana","content":"x","data":${deep('[', ']', 40)}}`],
      ['/users', JSON.stringify(many)],
      ['/users', JSON.stringify({ ['x'.repeat(500_000)]: 1 })],
      ['/notifications', JSON.stringify({ to: Array(50_000).fill(1), data: 1 })],
    ] as const) {
      const reply = await send('POST', path, body);
      const text = await reply.text();
      expect({ path, status: reply.status, length: text.length < 3000 }).toEqual({
        path,
        status: 400,
        length: true,
      });
      expect(JSON.parse(text)).toMatchObject({ code: 'invalid_frame' });
    }
  });

  test('over WebSocket gets a sentence of bounded size too', async () => {
    const client = await server.connect();
    for (const frame of [
      `{"type":"ping","sentAt":${'['.repeat(30_000)}${']'.repeat(30_000)},"id":"p"}`,
      JSON.stringify({ type: 'join', username: { toString: 1 }, id: 'p' }),
      JSON.stringify({ type: 'join', ['x'.repeat(60_000)]: 1, id: 'p' }),
    ]) {
      client.send(frame);
      const error = await client.expect('error');
      expect(error).toMatchObject({ code: 'invalid_frame', id: 'p' });
      expect(error.content.length).toBeLessThan(500);
    }
  });
});

describe('another method, type or protocol', () => {
  test('a path with other methods answers 405 and lists them in Allow', async () => {
    for (const [method, path, allow] of [
      ['DELETE', '/messages', 'GET, POST'],
      ['POST', '/messages/1', 'GET, PATCH, DELETE'],
      ['PUT', '/messages/search', 'GET, PATCH, DELETE'],
      ['POST', '/rooms/general/bans/ana', 'PUT, DELETE'],
      ['PATCH', '/sessions', 'POST, DELETE'],
      ['GET', '/sessions', 'POST, DELETE'],
      ['GET', '/rooms/general/bans/ana', 'PUT, DELETE'],
      ['POST', '/ws', 'GET'],
      ['DELETE', '/health', 'GET'],
    ] as const) {
      const reply = await send(method, path);
      const allowed = reply.headers.get('allow')?.split(', ').sort();
      expect({ method, path, allowed }).toEqual({
        method,
        path,
        allowed: allow.split(', ').sort(),
      });
      expect(await problem(reply)).toMatchObject({ status: 405, code: 'method_not_allowed' });
    }
    for (const path of ['/messages/1/2/3', '/nothing', '/rooms/general/nothing']) {
      expect(await problem(await send('POST', path))).toMatchObject({ status: 404 });
    }
  });

  test('a body that is not sent as JSON gets a 415, whatever its content', async () => {
    const body = JSON.stringify({ username: fresh('ana') });
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'text/json',
      'multipart/form-data; boundary=x',
      'application/octet-stream',
    ]) {
      const reply = await send('POST', '/users', body, type);
      expect(await problem(reply)).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    }
    for (const type of [
      'application/json',
      'application/json; charset=utf-8',
      'Application/JSON',
      'application/merge-patch+json',
    ]) {
      expect((await send('POST', '/users', body, type)).ok).toBe(true);
    }
    expect(await problem(await send('POST', '/users'))).toMatchObject({ status: 400 });
    expect(await problem(await send('POST', '/users', '{'))).toMatchObject({ status: 400 });
    expect(
      await problem(await send('POST', '/users', new Uint8Array([0x22, 0xff, 0x22]))),
    ).toMatchObject({ status: 400 });
  });

  test('GET /ws without a handshake gets a 426 that names the protocol to upgrade to', async () => {
    const reply = await send('GET', '/ws');
    expect(reply.headers.get('upgrade')).toBe('websocket');
    expect(await problem(reply)).toMatchObject({ status: 426, code: 'upgrade_required' });
  });
});

test('a reply that does not match its schema becomes an internal error, which quotes no part of it', async () => {
  const lines: string[] = [];
  const log = pino({}, { write: (line) => void lines.push(line) });
  const app = new Elysia().use(problems(log, [])).get('/', () => ({ text: 'secret' }) as never, {
    response: { 200: Type.Object({ text: Type.Integer() }) },
  });
  const reply = await app.handle(new Request('http://localhost/'));
  expect(await problem(reply)).toMatchObject({ status: 500, code: 'internal' });
  expect(lines.join()).toContain('does not match its schema at \\"/text\\"');
  expect(lines.join()).not.toContain('secret');
});
