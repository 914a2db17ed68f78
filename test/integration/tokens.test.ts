import { describe, expect, test } from 'bun:test';
import { generateKeyPair } from 'jose';
import { rawSocket } from '../support/raw-socket.ts';
import { fresh, startServer } from '../support/server.ts';
import { mint, SECRET, startKeyServer, tampered, unsigned } from '../support/tokens.ts';

const keyServer = await startKeyServer();
const { foreignKeys } = keyServer;
const server = await startServer({ authSecret: SECRET, foreignKeys });
const { request } = server;

/** Whether a token is taken: 200, or the status and the sentence of its refusal. */
async function read(token: string, at = server): Promise<string> {
  const response = await at.request('GET', '/messages?limit=1', token);
  return response.ok ? '200' : `${response.status} ${(await response.json()).detail}`;
}

describe('tokens', () => {
  test('can be made by any back end with AUTH_SECRET, and the first makes an account', async () => {
    const sub = fresh('u');
    expect((await request('POST', '/users', undefined, { username: sub })).status).toBe(201);
    const token = await mint({ sub });
    const post = (token?: string) =>
      request('POST', '/messages', token, { username: sub, content: 'hi' });
    expect((await post()).status).toBe(201);
    expect((await post(token)).status).toBe(201);
    expect((await post()).status).toBe(401);
    const claim = { username: sub, password: 'correct horse battery' };
    expect((await request('POST', '/users', undefined, claim)).status).toBe(409);
  });

  test('a bad token gets an explanation, and is never treated as a guest', async () => {
    const sub = fresh('u');
    const good = await mint({ sub });
    expect(await read(good)).toBe('200');
    const hour = Math.floor(Date.now() / 1000) + 3600;
    const { privateKey } = await generateKeyPair('PS256');
    const cases: [what: string, token: string, says: string][] = [
      ['expired', await mint({ sub, exp: hour - 7200 }), 'has expired'],
      ['not good yet', await mint({ sub, nbf: hour }), 'a wrong "nbf"'],
      ['tampered with', tampered(good, 'someone-else'), 'is not valid'],
      ['unsigned', unsigned({ sub, exp: hour }), 'is signed with an'],
      ['signed with another secret', await mint({ sub }, `another ${SECRET}`), 'is not valid'],
      ['without a user', await mint({}), '"sub" that is not a valid username'],
      ['for what is no name', await mint({ sub: 'a b' }), '"sub" that is not a valid username'],
      ['with a number for rooms', await mint({ sub, rooms: 5 }), '"rooms" that are not a list'],
      [
        'of another algorithm',
        await mint({ sub }, privateKey, { alg: 'PS256' }),
        'algorithm that is not accepted',
      ],
      [
        'of HS512',
        await mint({ sub }, 'x'.repeat(64), { alg: 'HS512' }),
        'algorithm that is not accepted',
      ],
      ['no token at all', 'hello', 'is not a JSON Web Token'],
      ['three dots', '...', 'is not a JSON Web Token'],
    ];
    for (const [what, token, says] of cases) {
      expect({ what, got: await read(token) }).toEqual({
        what,
        got: expect.stringMatching(new RegExp(`^401 The token .*${says}`)),
      });
      const { handshake } = await rawSocket(server.url, [`Authorization: Bearer ${token}`]);
      expect({ what, status: (await handshake).slice(0, 12) }).toEqual({
        what,
        status: 'HTTP/1.1 401',
      });
    }
    for (const header of ['Bearer', 'Bearer ', `Basic ${good}`, good, `Bearer ${good} ${good}`]) {
      const response = await server.fetch('/messages', { headers: { authorization: header } });
      expect({ header, status: response.status }).toEqual({ header, status: 401 });
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
    }
    for (const query of ['token=', 'token=hello']) {
      const response = await server.fetch(`/events?${query}`);
      expect({ query, status: response.status }).toEqual({ query, status: 401 });
    }
  });

  test('a token without an expiry, or with one decades away, is valid', async () => {
    const sub = fresh('u');
    for (const exp of [undefined, Math.floor(Date.now() / 1000) + 50 * 365 * 24 * 3600]) {
      const client = await server.connect(await mint({ sub, exp }));
      client.send({ type: 'join', username: sub });
      await client.expect('system');
      await client.settle();
      await client.close();
    }
  });

  test('limits the token to the rooms it names, through every door', async () => {
    const sub = fresh('u');
    const prefix = fresh('team');
    const token = await mint({ sub, rooms: [`${prefix}-*`, `*${prefix}*end`, 'LOBBY'] });
    const client = await server.connect(token);
    for (const [room, isOpen] of [
      [`${prefix}-a`, true],
      [`${prefix}-`, true],
      [prefix, false],
      [`x-${prefix}-end`, true],
      [`${prefix}end`, true],
      [`${prefix}-en`, true],
      [`x-${prefix}-en`, false],
      ['lobby', true],
      ['lobby2', false],
      ['general', false],
    ] as const) {
      client.send({ type: 'join', username: sub, room });
      const reply = await client.until(({ type }) => type === 'error' || type === 'system');
      const verdict = { room, code: 'code' in reply ? reply.code : undefined };
      expect(verdict).toEqual({ room, code: isOpen ? undefined : 'forbidden' });
      if (!isOpen) await server.join('ana', room);
      const status = isOpen ? 200 : 403;
      const posted = await request('POST', '/messages', token, {
        username: sub,
        content: 'x',
        room,
      });
      expect({ room, status: posted.status }).toEqual({ room, status: isOpen ? 201 : 403 });
      for (const path of ['messages', 'users/active', 'events']) {
        const response = await request('GET', `/${path}?room=${room}`, token);
        expect({ path, room, status: response.status }).toEqual({ path, room, status });
        await response.body?.cancel();
      }
    }
  });

  test('its role alone makes an admin', async () => {
    const victim = fresh('u');
    await request('POST', '/users', undefined, { username: victim });
    const ban = async (claims: object) =>
      (await request('PUT', `/users/${victim}/ban`, await mint({ sub: 'boss', ...claims }))).status;
    expect(await ban({ role: 'admin' })).toBe(204);
    for (const role of ['user', 'Admin', 'authenticated', ['admin'], { admin: true }, 1, null]) {
      expect({ role, status: await ban({ role }) }).toEqual({ role, status: 403 });
    }
  });

  test('a token without `iat` ends when sessions are ended', async () => {
    const sub = fresh('u');
    const token = await mint({ sub, iat: undefined });
    expect(await read(token)).toBe('200');
    expect((await request('DELETE', '/sessions', token)).status).toBe(204);
    expect(await read(token)).toMatch(/^401 The token has been ended/);
    // The end is kept to the millisecond, rounded up or down; a token of the next one is later.
    expect(await read(await mint({ sub, iat: (Date.now() + 1) / 1000 }))).toBe('200');
  });
});

describe('tokens of an identity provider', () => {
  test('are accepted with each algorithm, from a new key at once, and the keys are read no more often than needed', async () => {
    for (const alg of ['RS256', 'ES256', 'EdDSA'] as const) {
      await keyServer.rotate(alg);
      keyServer.reads = 0;
      const tokens = await Promise.all(
        Array.from({ length: 20 }, () => keyServer.sign({ sub: fresh('f') })),
      );
      const read20 = await Promise.all(tokens.map((token) => read(token)));
      expect({ alg, reads: keyServer.reads, got: [...new Set(read20)] }).toEqual({
        alg,
        reads: 1,
        got: ['200'],
      });
    }
  });

  test('are refused for another issuer, another audience, without either, or by a withdrawn key', async () => {
    const sub = fresh('f');
    const old = await keyServer.sign({ sub });
    expect(await read(old)).toBe('200');
    expect(await read(await keyServer.sign({ sub, aud: 'mail' }))).toMatch(/^401.*"aud"/);
    expect(await read(await keyServer.sign({ sub, iss: 'https://evil.example' }))).toMatch(
      /^401.*"iss"/,
    );
    expect(await read(await keyServer.sign({ sub, aud: undefined }))).toMatch(/^401/);
    await keyServer.rotate();
    expect(await read(await keyServer.sign({ sub }))).toBe('200');
    expect(await read(old)).toMatch(/^401.*is not valid/);
  });

  test('cannot be forged with the public key, nor use our algorithm', async () => {
    const { keys } = (await (await fetch(foreignKeys.url)).json()) as { keys: object[] };
    const { issuer: iss, audience: aud } = foreignKeys;
    const claims = { sub: fresh('f'), iss, aud };
    for (const secret of [JSON.stringify(keys[0]), JSON.stringify({ keys }), foreignKeys.url]) {
      expect(await read(await mint(claims, secret))).toMatch(/^401/);
    }
    const { privateKey } = await generateKeyPair('ES256');
    for (const kid of ['key-1', undefined]) {
      const header = { alg: 'ES256', ...(kid && { kid }) };
      expect(await read(await mint(claims, privateKey, header))).toMatch(/^401/);
    }
  });

  test('are accepted with known keys while the key server is away, and otherwise refused for now', async () => {
    const known = await keyServer.sign({ sub: fresh('f') });
    expect(await read(known)).toBe('200');
    await keyServer.rotate();
    keyServer.isAway = true;
    expect(await read(known)).toBe('200');
    const unknown = await keyServer.sign({ sub: fresh('f') });
    const response = await request('GET', '/messages', unknown);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: 'unavailable', retryAfter: 5 });
    // A key server in trouble is asked once for all who wait for it.
    keyServer.reads = 0;
    const many = await Promise.all(
      Array.from({ length: 20 }, () => request('GET', '/messages', unknown)),
    );
    expect(many.map(({ status }) => status)).toEqual(Array(20).fill(503));
    expect(keyServer.reads).toBe(1);
    keyServer.isAway = false;
    expect(await read(unknown)).toBe('200');
    const { handshake } = await rawSocket(server.url, [`Authorization: Bearer ${unknown}`]);
    expect(await handshake).toStartWith('HTTP/1.1 101');
  });

  test('make accounts, but never name an account with a password', async () => {
    const sub = fresh('f');
    const foreign = await keyServer.sign({ sub });
    expect(await read(foreign)).toBe('200');
    const asGuest = await request('POST', '/messages', undefined, { username: sub, content: 'x' });
    expect(asGuest.status).toBe(401);
    const change = { password: 'another password' };
    expect((await request('PUT', '/me/password', foreign, change)).status).toBe(403);

    const local = fresh('u');
    await server.register(local);
    expect(await read(await keyServer.sign({ sub: local, role: 'admin' }))).toMatch(
      /^401.*has a password/,
    );
  });

  test('are refused by a server without AUTH_JWKS_URL', async () => {
    const other = await startServer({ authSecret: SECRET });
    expect(await read(await keyServer.sign({ sub: 'ana' }), other)).toMatch(/^401.*not accepted/);
  });
});
