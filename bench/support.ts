import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SQL } from 'bun';

const root = new URL('../', import.meta.url).pathname;

/** The Postgres to measure on; benchmarks that need one are left out, and say so, when it is not there. */
export const postgresUrl =
  process.env.TEST_POSTGRES_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';

/** The Redis to measure on. */
export const redisUrl = process.env.TEST_REDIS_URL ?? 'redis://127.0.0.1:6379';

/** One machine is the whole crowd. */
const UNLIMITED = { MESSAGE_RATE: '0', REQUEST_RATE: '0', MAX_CONNECTIONS_PER_IP: '0' };

/** One line of the table at the end. */
export interface Result {
  what: string;
  value: number;
  /** The same of a peer, measured in the same run. */
  peer: number;
  peerName: string;
  /** What the ratio of the two should be. */
  aim: string;
}

/** Ties a command to one core, where the system can, so that a server and its load do not share one. */
function onCore(core: number | undefined, command: string[]): string[] {
  return core === undefined || !Bun.which('taskset')
    ? command
    : ['taskset', '-c', String(core), ...command];
}

/** A server in a process of its own: this one, unless the command names another. */
export async function startServer(
  env: Record<string, string>,
  command = [process.execPath, 'src/index.ts'],
  core?: number,
) {
  const child = Bun.spawn(onCore(core, command), {
    cwd: root,
    env: {
      PATH: process.env.PATH ?? '',
      PORT: '0',
      LOG_LEVEL: 'error',
      AUTH_SECRET: crypto.randomUUID(),
      ...UNLIMITED,
      ...env,
    },
    stdout: 'pipe',
    stderr: 'inherit',
  });
  let text = '';
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream() as never)) {
    text += chunk;
    const host = /http:\/\/(\S+)/.exec(text)?.[1];
    if (!host) continue;
    const stopIt = () => stop(child);
    return { ws: `ws://${host}`, http: `http://${host}`, pid: child.pid, stop: stopIt };
  }
  throw new Error('the server did not start');
}

async function stop(child: Bun.Subprocess): Promise<void> {
  child.kill('SIGTERM');
  await child.exited;
}

/** What a process has in memory, in MiB; Linux alone tells. */
export function memoryOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** Seconds of processor time that a process has used; Linux alone tells. */
export function cpuOf(pid: number): number {
  try {
    // Behind the name, which may hold spaces: proc(5).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return Number.NaN;
  }
}

/** The same of all processes of a name, such as those of Postgres. */
export function cpuOfAll(name: string): number {
  const pids = readdirSync('/proc').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === name;
    } catch {
      return false;
    }
  });
  return pids.reduce((sum, pid) => sum + cpuOf(Number(pid)), 0);
}

/** Runs a script of this folder in a process of its own and reads the JSON that it prints. */
export async function runScript<Output>(
  script: string,
  input: object,
  core?: number,
): Promise<Output> {
  const command = [process.execPath, join(root, 'bench', script), JSON.stringify(input)];
  const child = Bun.spawn(onCore(core, command), {
    stdout: 'pipe',
    stderr: 'inherit',
  });
  return JSON.parse(await new Response(child.stdout).text());
}

/** A folder for the time of `use`. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'ws-chat-bench-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A new database on the Postgres, for the time of `use`. */
export async function withDatabase<T>(use: (url: string) => Promise<T>): Promise<T> {
  const admin = new SQL(postgresUrl, { max: 1 });
  const name = `ws_chat_bench_${crypto.randomUUID().replaceAll('-', '')}`;
  await admin.unsafe(`create database ${name}`);
  try {
    const url = new URL(postgresUrl);
    url.pathname = `/${name}`;
    return await use(url.href);
  } finally {
    await admin.unsafe(`drop database ${name} with (force)`);
    await admin.close();
  }
}
