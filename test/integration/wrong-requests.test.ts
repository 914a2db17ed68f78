import { describe, expect, test } from 'bun:test';
import { startServer } from '../support/server.ts';

const server = await startServer();

describe('wrong input over REST', () => {
  const cases: [
    method: string,
    path: string,
    body: string | undefined,
    status: number,
    code: string,
  ][] = [
    ['PATCH', '/messages/0', '{"content":"x"}', 400, 'invalid_frame'],
    ['PATCH', '/messages/1.5', '{"content":"x"}', 400, 'invalid_frame'],
    ['PATCH', '/messages/x', '{"content":"x"}', 400, 'invalid_frame'],
    ['PATCH', '/messages/1', '{}', 400, 'invalid_frame'],
    ['PATCH', '/messages/1', '{"content":"x"}', 401, 'unauthorized'],
    ['PATCH', '/messages/9000000000000000?username=ana', '{"content":"x"}', 404, 'not_found'],
    ['PUT', '/messages/1/reactions/x?username=ana', undefined, 400, 'invalid_frame'],
    ['PUT', '/notifications/x/read', undefined, 400, 'invalid_frame'],
    ['GET', '/messages/search?q=', undefined, 400, 'invalid_frame'],
    ['GET', '/messages/search?q=x&before=y', undefined, 400, 'invalid_frame'],
    ['GET', '/notifications?limit=101&username=ana', undefined, 400, 'invalid_frame'],
    ['GET', '/me/rooms?limit=0&username=ana', undefined, 400, 'invalid_frame'],
    ['POST', '/notifications', '{"to":["ana"]}', 400, 'invalid_frame'],
    ['POST', '/users', 'nope', 400, 'invalid_frame'],
    ['POST', '/users', '[]', 400, 'invalid_frame'],
    ['POST', '/users', '12', 400, 'invalid_frame'],
    ['POST', '/users', 'null', 400, 'invalid_frame'],
    ['POST', '/users', '{}', 400, 'invalid_frame'],
    ['POST', '/users', '{"username":5}', 400, 'invalid_frame'],
    ['POST', '/users', '{"username":""}', 400, 'invalid_frame'],
    ['POST', '/users', '{"username":"a b"}', 400, 'invalid_frame'],
    ['POST', '/users', '{"username":"me"}', 400, 'invalid_frame'],
    ['POST', '/users', '{"username":"a\\u0000"}', 400, 'invalid_frame'],
    ['POST', '/users', '{"username":"a\\ud800"}', 400, 'invalid_frame'],
    ['POST', '/users', '{"username":"ana","password":"secret"}', 400, 'invalid_frame'],
    ['POST', '/messages', '{"username":"rest-user"}', 400, 'invalid_frame'],
    ['POST', '/messages', '{"username":"rest-user","content":""}', 400, 'invalid_frame'],
    ['POST', '/messages', '{"username":"rest-user","content":"a\\u0000"}', 400, 'invalid_frame'],
    ['POST', '/messages', '{"username":"rest-user","content":"\\ud800"}', 400, 'invalid_frame'],
    ['POST', '/messages', '{"username":"rest-user","content":"a","id":""}', 400, 'invalid_frame'],
    ['POST', '/messages', '{"username":"rest-user","content":"a","x":1}', 400, 'invalid_frame'],
    [
      'POST',
      '/messages',
      `{"username":"rest-user","content":"${'x'.repeat(4001)}"}`,
      413,
      'too_long',
    ],
    [
      'POST',
      '/messages',
      `{"username":"rest-user","content":"${'x'.repeat(66_000)}"}`,
      413,
      'too_long',
    ],
    ['POST', '/messages', '{"username":"no-such-user","content":"a"}', 404, 'not_found'],
    [
      'POST',
      '/messages',
      '{"username":"rest-user","content":"a","room":"no-such-room"}',
      404,
      'not_found',
    ],
    ['POST', '/messages', '{"username":"rest-user","content":"a","room":"dm:x"}', 404, 'not_found'],
    [
      'POST',
      '/messages',
      '{"username":"rest-user","content":"a","room":"ä"}',
      400,
      'invalid_frame',
    ],
    ['GET', '/messages?limit=0', undefined, 400, 'invalid_frame'],
    ['GET', '/messages?limit=101', undefined, 400, 'invalid_frame'],
    ['GET', '/messages?limit=ten', undefined, 400, 'invalid_frame'],
    ['GET', '/messages?limit=1.5', undefined, 400, 'invalid_frame'],
    ['GET', '/messages?before=-1', undefined, 400, 'invalid_frame'],
    ['GET', '/messages?after=99999999999999999999', undefined, 400, 'invalid_frame'],
    ['GET', '/messages?colour=red', undefined, 400, 'invalid_frame'],
    ['GET', '/messages?room=no-such-room', undefined, 404, 'not_found'],
    ['GET', '/messages?room=a%20b', undefined, 400, 'invalid_frame'],
    ['GET', "/messages?room=';drop%20table%20users--", undefined, 400, 'invalid_frame'],
    ['POST', '/rooms/general/events', '{"name":""}', 400, 'invalid_frame'],
    ['GET', '/users/no-such-user', undefined, 404, 'not_found'],
    ['GET', '/users/a%20b', undefined, 400, 'invalid_frame'],
    ['GET', '/users/%ff', undefined, 400, 'invalid_frame'],
    ['GET', '/users/active?room=%00', undefined, 400, 'invalid_frame'],
    ['GET', '/rooms?limit=0', undefined, 400, 'invalid_frame'],
    ['GET', '/rooms?after=%00', undefined, 400, 'invalid_frame'],
    ['GET', '/no-such-path', undefined, 404, 'not_found'],
    ['DELETE', '/rooms', undefined, 405, 'method_not_allowed'],
    ['GET', '/ws', undefined, 426, 'upgrade_required'],
  ];

  test('each kind gets problem+json with the named code', async () => {
    for (const username of ['rest-user', 'ana']) await server.post('/users', { username });
    for (const [method, path, body, status, code] of cases) {
      const json = { body: body ?? '', headers: { 'content-type': 'application/json' } };
      const response = await server.fetch(path, { method, ...(body !== undefined && json) });
      const { headers } = response;
      const what = `${method} ${path} ${body?.slice(0, 60) ?? ''}`;
      expect({ what, status: response.status, type: headers.get('content-type') }).toEqual({
        what,
        status,
        type: 'application/problem+json',
      });
      expect({ what, ...(await response.json()) }).toMatchObject({
        what,
        type: 'about:blank',
        title: expect.any(String),
        detail: expect.stringMatching(/.{10}/),
        status,
        code,
      });
    }
    expect((await server.fetch('/health')).status).toBe(200);
  });

  test('a body that is too big to be read is refused', async () => {
    const response = await server.post('/messages', 'x'.repeat(2 * 1024 * 1024));
    expect(response.status).toBe(413);
  });
});
