import { expect, test } from 'bun:test';
import { Client } from '../support/client.ts';
import { cuttableProxy } from '../support/cuttable-proxy.ts';
import { eventsOf } from '../support/event-stream.ts';
import { dataFolder, startReady } from '../support/process.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';
import { mint, unsigned } from '../support/tokens.ts';

/** A word that stands nowhere else. */
const secret = (what: string) => `${what}-${crypto.randomUUID()}`;

/** A whole run, in which everything that should not be in a log is sent where it should not be. */
async function run(
  settings: Record<string, string>,
  trouble: () => Promise<void> = async () => {},
) {
  const words = {
    AUTH_SECRET: secret('auth-secret-of-this-run'),
    API_KEY: secret('api-key'),
    password: secret('password'),
    wrongPassword: secret('wrong'),
    newPassword: secret('new'),
    content: secret('content'),
    data: secret('data'),
    clientId: secret('id').slice(0, 60),
    query: secret('query'),
    body: secret('body'),
    edited: secret('edited'),
    direct: secret('direct'),
    notice: secret('notice'),
  };
  const tokens: string[] = [];
  const { AUTH_SECRET, API_KEY, password, content, clientId } = words;
  const server = await startReady({ LOG_LEVEL: 'trace', ...settings, AUTH_SECRET, API_KEY });
  const call = async (method: string, path: string, body?: object | string, token?: string) => {
    const response = await fetch(server.url + path, {
      method,
      headers: {
        'content-type': 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return response.text();
  };
  const signIn = async (password: string) => {
    const { token } = JSON.parse(await call('POST', '/sessions', { username: 'ana', password }));
    if (token) tokens.push(token);
    return token as string;
  };

  await call('POST', '/users', { username: 'ana', password });
  await signIn(words.wrongPassword);
  await call('POST', '/sessions', { username: words.wrongPassword, password });
  const token = await signIn(password);
  for (const bad of [await mint({ sub: 'ana' }, secret('key')), unsigned({ sub: 'ana' })]) {
    tokens.push(bad);
    await call('GET', '/messages', undefined, bad);
    await call('GET', `/ws?token=${bad}`);
    await call('GET', `/events?token=${bad}`);
  }
  const ana = await Client.connect(`${server.ws}?token=${token}`);
  ana.send({ type: 'join', username: 'ana', protocol: 1, token });
  const post = (content: string, id: string) =>
    ana.send({ type: 'message', content, id, data: { data: words.data } });
  post(content, clientId);
  post(content, clientId);
  post(`${content} otherwise`, clientId);
  for (const wrong of [
    words.body,
    `{"type":"${words.body}"}`,
    { type: 'message', content, extra: words.body },
    { type: 'message', content: `${content}\0` },
    { type: 'auth', token: tokens[1] },
    { type: 'auth', token },
  ]) {
    ana.send(wrong);
  }
  await ana.settle();
  const { id: messageId } = ana.received.find(({ type }) => type === 'message') as { id: number };
  ana.send({ type: 'edit', messageId, content: words.edited });
  ana.send({ type: 'message', to: 'ana', content: words.direct });
  await ana.settle();
  await call('PATCH', `/messages/${messageId}`, { content: `${words.edited} again` }, token);
  await call('GET', `/messages/search?q=${words.query}`, undefined, token);
  await call('POST', '/notifications', { to: ['ana'], data: words.notice }, API_KEY);
  const stream = eventsOf(await fetch(`${server.url}/events?since=0&token=${token}`));
  await stream.next();
  await call('GET', `/messages?q=${words.query}`);
  await call('GET', `/nowhere?q=${words.query}`);
  await call('POST', '/messages', words.body);
  await call('POST', '/messages', { username: 'ana', content, [words.body]: 1 }, token);
  await call('POST', '/messages', { username: 'ana', content, data: words.data }, token);
  await call('POST', '/messages', { username: 'ana', content, id: clientId }, API_KEY);
  await trouble();
  post(content, secret('id').slice(0, 60));
  ana.send({ type: 'edit', messageId, content });
  await call('GET', `/messages/search?q=${words.query}`, undefined, token);
  await call('POST', '/messages', { username: 'ana', content }, token);
  await signIn(password).catch(() => {});
  await ana.settle();
  server.kill('SIGTERM');
  await server.exited;
  const { stdout, stderr } = await server.output;
  return { log: stdout + stderr, words: { ...words, ...Object.fromEntries(tokens.entries()) } };
}

function expectNothingIn(log: string, words: Record<string, string>): void {
  const found = Object.entries(words).filter(([, word]) => log.includes(word));
  expect(found).toEqual([]);
  // No token at all, whoever's it is.
  expect(log).not.toMatch(/eyJ[\w-]{8}/);
  expect(log).not.toContain('argon2');
}

test('the log of a whole run holds its events, and no content, password, token or query', async () => {
  const { log, words } = await run({ DATA_DIR: await dataFolder() });
  for (const happened of ['registered', 'sign-in refused', 'signed in', 'request', 'stopping']) {
    expect(log).toContain(`"msg":"${happened}"`);
  }
  const requests = log.split('\n').filter((line) => line.includes('"msg":"request"'));
  expect(requests.some((line) => line.includes('"route":"/events","status":401'))).toBe(true);
  expectNothingIn(log, words);
});

testWithPostgres('the log of a lost database holds no content either', async () => {
  const proxy = await cuttableProxy(await freshPostgres());
  const url = new URL(proxy.url);
  url.password = secret('database-password');
  const { log, words } = await run({ DATABASE_URL: url.href }, async () => proxy.cut());
  expect(log).toContain('"msg":"a batch failed"');
  expectNothingIn(log, { ...words, database: url.password });
});
