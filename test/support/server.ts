import { afterAll } from 'bun:test';
import { type AppParts, createApp } from '../../src/app.ts';
import { readSettings, type Settings } from '../../src/config.ts';
import { type OpenDatabase, openDatabase } from '../../src/db/index.ts';
import { createLogger } from '../../src/log.ts';
import { Client } from './client.ts';

/** Making an embedded database takes seconds, so all tests of one run share one. */
const shared = globalThis as { wsChatTestDatabase?: Promise<OpenDatabase> };

export function sharedDatabase(): Promise<OpenDatabase> {
  shared.wsChatTestDatabase ??= openDatabase({ dataDir: 'memory' });
  return shared.wsChatTestDatabase;
}

export interface TestServer {
  url: string;
  /** The routes that it has, those that the documentation hides included. */
  routes: { method: string; path: string }[];
  /** A raw WebSocket client of this server, which may show a token with the handshake. */
  connect(token?: string): Promise<Client>;
  /** A client that has joined and read its welcome and the frames before it. */
  join(username: string, room: string): Promise<Client>;
  /** The same in protocol 1, with a token if the name is an account's. */
  enter(username: string, room: string, token?: string): Promise<Client>;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  post(path: string, body: unknown): Promise<Response>;
  /** A request with a token, and with a JSON body if one is given. */
  request(method: string, path: string, token?: string, body?: unknown): Promise<Response>;
  /** Makes an account and signs in. @returns its token */
  register(username: string): Promise<string>;
  stop(): Promise<void>;
}

/** Tests send more, and faster, than users do; tests of the limits set their own. */
export const UNLIMITED = { MESSAGE_RATE: '0', REQUEST_RATE: '0', MAX_CONNECTIONS_PER_IP: '0' };

/** A real server on a free port, stopped when the tests of the file are done. */
export async function startServer(
  settings: Partial<Settings> = {},
  parts: Partial<AppParts> = {},
): Promise<TestServer> {
  const { app, listen, stop } = await createApp({
    settings: {
      ...readSettings(UNLIMITED),
      dataDir: 'memory',
      port: 0,
      presenceGrace: 0,
      ...settings,
    },
    database: parts.database ?? (await sharedDatabase()),
    log: createLogger('silent'),
    ...parts,
  });
  const url = listen();
  let stopped: Promise<void> | undefined;
  const stopOnce = () => {
    stopped ??= stop();
    return stopped;
  };
  afterAll(stopOnce);

  const connect = (token?: string) => {
    const query = token === undefined ? '' : `?token=${encodeURIComponent(token)}`;
    return Client.connect(`${url.replace('http', 'ws')}/ws${query}`);
  };
  const request = (method: string, path: string, token?: string, body?: unknown) =>
    fetch(url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  return {
    url,
    routes: app.routes.map(({ method, path }) => ({ method, path })),
    connect,
    request,
    async register(username) {
      await request('POST', '/users', undefined, { username, password: PASSWORD });
      const session = await request('POST', '/sessions', undefined, {
        username,
        password: PASSWORD,
      });
      return (await session.json()).token;
    },
    async join(username, room) {
      const client = await connect();
      client.send({ type: 'join', username, room });
      await client.until((frame) => frame.type === 'system' && frame.content.startsWith('Welcome'));
      return client;
    },
    async enter(username, room, token) {
      const client = await connect(token);
      client.send({ type: 'join', username, room, protocol: 1 });
      await client.untilType('joined');
      return client;
    },
    fetch: (path, init) => fetch(url + path, init),
    post: (path, body) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    stop: stopOnce,
  };
}

/** Of every account that {@link TestServer.register} makes. */
export const PASSWORD = 'correct horse battery';

let names = 0;

/** A name that no other test of this run uses. */
export function fresh(prefix: string): string {
  names += 1;
  return `${prefix}-${process.pid.toString(36)}-${names}-${crypto.randomUUID().slice(0, 6)}`;
}
