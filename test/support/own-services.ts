import { afterAll } from 'bun:test';
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RedisClient, SQL } from 'bun';
import { freePort } from './free-port.ts';
import { temporaryFolder } from './process.ts';
import { testWith } from './services.ts';

const redisServer = Bun.which('redis-server');
const pgCtl = Bun.which('pg_ctl');

export const hasOwnRedis = redisServer !== null;
export const redisOnPath = { 'redis-server on the PATH': hasOwnRedis };
/** For tests that break their Redis, or both: each has its own. */
export const testWithOwnRedis = testWith(redisOnPath);
export const testWithOwnServices = testWith({ ...redisOnPath, 'pg_ctl on the PATH': pgCtl });

/** A service of a test's own, to be broken in every way. */
export interface OwnService {
  url: string;
  /** Kills it, and starts it again at once. */
  restart(): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
  /** It hangs, with its connections open, until {@link OwnService.resume}. */
  pause(): void;
  resume(): void;
}

/** A Redis on a free port, gone when the tests of the file are done or, begun in a test, after that. It keeps nothing on disk: started again, it is empty. */
export async function ownRedis(): Promise<OwnService> {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const command = [redisServer ?? '', ...args, '--dir', temporaryFolder()];
  return own(url, command, 'SIGKILL', async () => {
    const client = new RedisClient(url, { autoReconnect: false, connectionTimeout: 500 });
    try {
      await client.connect();
      await client.send('PING', []);
    } finally {
      client.close();
    }
  });
}

/** A Postgres on a free port, with nothing in it. */
export async function ownPostgres(): Promise<OwnService> {
  const bin = dirname(realpathSync(pgCtl ?? ''));
  const data = temporaryFolder();
  const asPostgres = rootless(data);
  const init = [join(bin, 'initdb'), '-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync'];
  const made = Bun.spawnSync([...asPostgres, ...init]);
  if (!made.success) throw new Error(`initdb failed: ${made.stderr}`);
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  // Killed processes lose nothing that was written, synced or not.
  const options = [
    '-c',
    'fsync=off',
    '-c',
    `port=${port}`,
    '-c',
    `unix_socket_directories=${data}`,
  ];
  const command = [...asPostgres, join(bin, 'postgres'), '-D', data, ...options];
  // An immediate shutdown: its sessions end where they are, as in a crash.
  return own(url, command, 'SIGQUIT', () => selectOne(url));
}

/** The prefix of a command that refuses to run as root, for the user of Postgres. @param folder that it is to own */
export function rootless(folder: string): string[] {
  if (process.getuid?.() !== 0) return [];
  Bun.spawnSync(['chown', 'postgres', folder]);
  return ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'];
}

/** Rejects when no Postgres answers. */
export async function selectOne(url: string): Promise<void> {
  const client = new SQL(url, { max: 1, connectionTimeout: 2 });
  try {
    await client.unsafe('select 1');
  } finally {
    await client.close();
  }
}

/**
 * A service that is gone when the tests of the file are done or, begun in a test, after that.
 *
 * @param end the signal that ends it at once, with all that it has started
 * @param ask rejects while the service does not answer
 */
export async function own(
  url: string,
  command: string[],
  end: NodeJS.Signals,
  ask: () => Promise<void>,
): Promise<OwnService> {
  let child: Bun.Subprocess;
  const start = async () => {
    child = Bun.spawn(command, { stdout: 'ignore', stderr: 'ignore' });
    for (let tries = 0; ; tries++) {
      try {
        return await ask();
      } catch (error) {
        if (tries === 200 || child.exitCode !== null) throw error;
        await Bun.sleep(50);
      }
    }
  };
  const kill = async () => {
    child.kill('SIGCONT');
    child.kill(end);
    await child.exited;
  };
  await start();
  afterAll(kill);
  return {
    url,
    start,
    kill,
    restart: () => kill().then(start),
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
  };
}
