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
  /** A raw WebSocket client of this server. */
  connect(): Promise<Client>;
  /** A client that has joined and read its welcome and what came before it. */
  join(username: string, room: string): Promise<Client>;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  post(path: string, body: unknown): Promise<Response>;
  stop(): Promise<void>;
}

/** A real server on a free port, stopped when the tests of the file are done. */
export async function startServer(
  settings: Partial<Settings> = {},
  parts: Partial<AppParts> = {},
): Promise<TestServer> {
  const { listen, stop } = await createApp({
    settings: { ...readSettings({}), port: 0, presenceGrace: 0, ...settings },
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

  const connect = () => Client.connect(`${url.replace('http', 'ws')}/ws`);
  return {
    url,
    connect,
    async join(username, room) {
      const client = await connect();
      client.send({ type: 'join', username, room });
      await client.until((frame) => frame.type === 'system' && frame.content.startsWith('Welcome'));
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

let names = 0;

/** A name that no other test of this run uses. */
export function fresh(prefix: string): string {
  names += 1;
  return `${prefix}-${process.pid.toString(36)}-${names}-${crypto.randomUUID().slice(0, 6)}`;
}
