import { describe, expect, test } from 'bun:test';
import { fresh, PASSWORD, startServer } from '../support/server.ts';

const server = await startServer({ apiKey: 'key-of-the-back-end' });
const { request } = server;

/** The status and the code of a reply. */
async function outcome(reply: Promise<Response>): Promise<string> {
  const response = await reply;
  const isProblem = response.headers.get('content-type')?.includes('problem');
  return isProblem ? `${response.status} ${(await response.json()).code}` : `${response.status}`;
}

const signIn = (username: string, password: string) =>
  request('POST', '/sessions', undefined, { username, password });

describe('guests and accounts', () => {
  test('a name with a password is an account, even if it was a guest before', async () => {
    const username = fresh('u');
    expect(await outcome(request('POST', '/users', undefined, { username }))).toBe('201');
    expect(await outcome(request('POST', '/users', undefined, { username }))).toBe('200');
    const account = { username, password: PASSWORD };
    const claimed = await request('POST', '/users', undefined, account);
    expect(claimed.status).toBe(201);
    expect(await claimed.json()).toEqual({
      id: expect.any(Number),
      username,
      lastSeen: expect.any(String),
    });
    expect(await outcome(request('POST', '/users', undefined, account))).toBe('409 name_taken');
    const shouted = { username: username.toUpperCase() };
    expect(await outcome(request('POST', '/users', undefined, shouted))).toBe('409 name_taken');
  });

  test('a name claimed by many at once has one owner', async () => {
    const username = fresh('u');
    const passwords = Array.from({ length: 10 }, (_, n) => `password number ${n}`);
    const replies = await Promise.all(
      passwords.map((password) =>
        outcome(request('POST', '/users', undefined, { username, password })),
      ),
    );
    expect(replies.toSorted()).toEqual(['201', ...Array(9).fill('409 name_taken')]);
    const signedIn = await Promise.all(passwords.map((password) => signIn(username, password)));
    expect(signedIn.map(({ status }) => status)).toEqual(
      replies.map((reply) => (reply === '201' ? 201 : 401)),
    );
  });

  test('signing in returns a token with the rights of the user', async () => {
    const username = fresh('u');
    const token = await server.register(username.toUpperCase());
    const session = await (await signIn(username, PASSWORD)).json();
    expect(session).toEqual({ token: expect.any(String), expiresAt: expect.any(String) });
    expect(Date.parse(session.expiresAt)).toBeGreaterThan(Date.now() + 3600_000);
    for (const good of [token, session.token]) {
      const message = { username, content: 'hi' };
      const posted = await request('POST', '/messages', good, message);
      expect(posted.status).toBe(201);
      expect(await posted.json()).toMatchObject({ username: username.toUpperCase() });
    }
  });

  test('a wrong password and an unknown name get the same answer', async () => {
    const username = fresh('u');
    await server.register(username);
    const guest = fresh('g');
    await request('POST', '/users', undefined, { username: guest });
    const answers = await Promise.all(
      [username, guest, fresh('nobody')].map(async (name) => {
        const response = await signIn(name, 'a wrong password');
        response.headers.delete('date');
        const { status, headers } = response;
        return { status, headers: [...headers], body: await response.text() };
      }),
    );
    expect(answers[0]).toMatchObject({ status: 401 });
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  test('a password is 8 to 256 characters, and the same in every Unicode form', async () => {
    for (const password of ['short', 'x'.repeat(7), 'x'.repeat(257), '\ud800'.repeat(8)]) {
      const username = fresh('u');
      const reply = request('POST', '/users', undefined, { username, password });
      expect({ password, got: await outcome(reply) }).toEqual({
        password,
        got: '400 invalid_frame',
      });
      expect((await request('GET', `/users/${username}`)).status).toBe(404);
    }
    for (const password of ['x'.repeat(8), '🎉'.repeat(256), 'caf\u00e9 caf\u00e9', ' spaces ']) {
      const username = fresh('u');
      await request('POST', '/users', undefined, { username, password });
      expect((await signIn(username, password.normalize('NFD'))).status).toBe(201);
      expect((await signIn(username, `${password}x`)).status).toBe(401);
    }
  });

  test('a changed password ends all tokens, and only the new one signs in', async () => {
    const username = fresh('u');
    const tokens = [
      await server.register(username),
      (await (await signIn(username, PASSWORD)).json()).token,
    ];
    const changed = request('PUT', '/me/password', tokens[0], { password: 'another password' });
    expect(await outcome(changed)).toBe('204');
    for (const token of tokens) {
      expect(await outcome(request('GET', '/messages', token))).toBe('401 unauthorized');
    }
    expect(await outcome(signIn(username, PASSWORD))).toBe('401 unauthorized');
    const { token } = await (await signIn(username, 'another password')).json();
    expect(await outcome(request('GET', '/messages', token))).toBe('200');
  });

  test('the old password must be right where it is given', async () => {
    const username = fresh('u');
    const token = await server.register(username);
    const change = (currentPassword: string) =>
      outcome(
        request('PUT', '/me/password', token, { password: 'another password', currentPassword }),
      );
    expect(await change('not the password')).toBe('403 forbidden');
    expect(await outcome(request('GET', '/messages', token))).toBe('200');
    expect(await change(PASSWORD)).toBe('204');
    expect(await outcome(request('GET', '/messages', token))).toBe('401 unauthorized');
  });

  test('ended sessions are invalid at once, and the next one is valid', async () => {
    const username = fresh('u');
    let token = await server.register(username);
    const other = await server.register(fresh('u'));
    for (let n = 0; n < 5; n++) {
      expect(await outcome(request('DELETE', '/sessions', token))).toBe('204');
      expect(await outcome(request('GET', '/messages', token))).toBe('401 unauthorized');
      expect(await outcome(request('DELETE', '/sessions', token))).toBe('401 unauthorized');
      token = (await (await signIn(username, PASSWORD)).json()).token;
      expect(await outcome(request('GET', '/messages', token))).toBe('200');
    }
    expect(await outcome(request('GET', '/messages', other))).toBe('200');
  });

  test('users banned from the server are kept out until the ban is lifted', async () => {
    const key = 'key-of-the-back-end';
    const account = fresh('u');
    const token = await server.register(account);
    const guest = fresh('g');
    await request('POST', '/users', undefined, { username: guest });
    for (const name of [account, guest]) {
      expect(await outcome(request('PUT', `/users/${name.toUpperCase()}/ban`, key))).toBe('204');
      expect(await outcome(request('PUT', `/users/${name}/ban`, key))).toBe('204');
    }
    const post = (username: string, token?: string) =>
      outcome(request('POST', '/messages', token, { username, content: 'hi' }));
    expect(await outcome(request('GET', '/messages', token))).toBe('403 banned');
    expect(await post(account, token)).toBe('403 banned');
    expect(await post(guest)).toBe('403 banned');
    expect(await outcome(signIn(account, PASSWORD))).toBe('403 banned');
    expect(await outcome(signIn(account, 'a wrong password'))).toBe('401 unauthorized');
    const claim = { username: guest, password: PASSWORD };
    expect(await outcome(request('POST', '/users', undefined, claim))).toBe('403 banned');
    for (const name of [account, guest]) {
      expect(await outcome(request('DELETE', `/users/${name}/ban`, key))).toBe('204');
    }
    expect(await post(account, token)).toBe('201');
    expect(await post(guest)).toBe('201');
    expect(await outcome(request('PUT', `/users/${fresh('nobody')}/ban`, key))).toBe(
      '404 not_found',
    );
  });

  test('sign-ins beyond the queue get `overloaded`, and none succeeds wrongly', async () => {
    const username = fresh('u');
    await server.register(username);
    const replies = await Promise.all(
      Array.from({ length: 300 }, () => signIn(username, 'a wrong password')),
    );
    const statuses = replies.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([401, 503]));
    const late = replies.find(({ status }) => status === 503);
    expect(await late?.json()).toMatchObject({ code: 'overloaded', retryAfter: 2 });
    expect((await signIn(username, PASSWORD)).status).toBe(201);
  });

  test('names that look like another user’s are refused', async () => {
    const hidden = {
      'a zero-width space': '\u200b',
      'a zero-width joiner': '\u200d',
      'a byte order mark': '\ufeff',
      'a soft hyphen': '\u00ad',
      'a right-to-left override': '\u202e',
      'an isolate': '\u2066',
      'a variation selector': '\ufe0f',
      'a grapheme joiner': '\u034f',
      'a Hangul filler': '\u3164',
      'a control character': '\u0007',
      'a line break': '\n',
      'a tag character': '\u{e0061}',
    };
    for (const [what, character] of Object.entries(hidden)) {
      const name = `ana${character}x`;
      const reply = request('POST', '/users', undefined, { username: name });
      expect({ what, got: await outcome(reply) }).toEqual({ what, got: '400 invalid_frame' });
    }
  });

  test('two spellings of a name are the same user, in every script', async () => {
    const unique = crypto.randomUUID().slice(0, 6);
    for (const [first, second] of [
      ['Ａｎａ', 'ana'],
      ['Zoe\u0308', 'zo\u00eb'],
      ['ÉCLAIR', 'e\u0301clair'],
      ['ＯＬＧＡ', 'olga'],
      ['ﬁn', 'FIN'],
      ['ガガ', 'ｶﾞｶﾞ'],
      ['İpek', 'i\u0307pek'],
    ]) {
      const made = await request('POST', '/users', undefined, { username: `${first}${unique}` });
      const found = await request('POST', '/users', undefined, { username: `${second}${unique}` });
      expect({ first, made: made.status, found: found.status }).toEqual({
        first,
        made: 201,
        found: 200,
      });
      const { username } = await found.json();
      expect(username).toBe(`${first}${unique}`.normalize('NFKC'));
    }
  });
});
