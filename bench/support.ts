import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SQL } from 'bun';

const root = new URL('../', import.meta.url).pathname;

/** The Postgres to measure on; without it, benchmarks that need it are left out with a warning. */
export const postgresUrl =
  process.env.TEST_POSTGRES_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';

/** The Redis to measure on. */
export const redisUrl = process.env.TEST_REDIS_URL ?? 'redis://127.0.0.1:6379';

/** All clients have one address, so that limits per address do not count. */
const UNLIMITED = { MESSAGE_RATE: '0', REQUEST_RATE: '0', MAX_CONNECTIONS_PER_IP: '0' };

/** The length of a benchmark. */
export interface Scale {
  /** Turns of each contestant; the median counts. */
  rounds: number;
  /** The length of each turn, after one second to warm up. */
  seconds: number;
}

/** The server and its load have a core each. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

/** A load that takes longer than this is stuck. */
const SCRIPT_TIMEOUT_MS = 180_000;
/** A program that is not ready after this time has failed to start; one that is still running is killed. */
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;

export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

/** Measures all contestants in turns, so that other load on the machine affects each. @returns their medians */
export async function inTurns<Name extends string>(
  rounds: number,
  contestants: Record<Name, () => Promise<number>>,
): Promise<Record<Name, number>> {
  const names = Object.keys(contestants) as Name[];
  const measured = names.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [n, name] of names.entries()) measured[n]?.push(await contestants[name]());
  }
  return Object.fromEntries(names.map((name, n) => [name, median(measured[n] ?? [])])) as Record<
    Name,
    number
  >;
}

/** Ties a command to one core, where the system can, so that a server and its load do not share one. */
function onCore(core: number | undefined, command: string[]): string[] {
  return core === undefined || !Bun.which('taskset')
    ? command
    : ['taskset', '-c', String(core), ...command];
}

/** Programs to be killed when the run is interrupted. */
const running = new Set<Bun.Subprocess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

export interface Server {
  ws: string;
  http: string;
  pid: number;
  stop(): Promise<void>;
}

/** Starts a server in a process of its own: this one, unless the command names another. */
export async function startServer(
  env: Record<string, string>,
  command = [process.execPath, 'src/index.ts'],
  core?: number,
): Promise<Server> {
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
  running.add(child);
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

/** Starts this server on the core for servers, for the time of `use`. */
export function withServer<T>(
  env: Record<string, string>,
  use: (server: Server) => Promise<T>,
): Promise<T> {
  return during(startServer(env, [process.execPath, 'src/index.ts'], SERVER_CORE), use);
}

/** Starts a peer that is a script of this folder on the core for servers, for the time of `use`. */
export function withPeer<T>(script: string, use: (server: Server) => Promise<T>): Promise<T> {
  const runtime = script.endsWith('.mjs') ? Bun.which('node') : undefined;
  const command = [runtime ?? process.execPath, `bench/peers/${script}`];
  return during(startServer({}, command, SERVER_CORE), use);
}

/** Stops a started program after `use`. */
export async function during<Started extends { stop(): Promise<void> }, T>(
  starting: Promise<Started>,
  use: (started: Started) => Promise<T>,
): Promise<T> {
  const started = await starting;
  try {
    return await use(started);
  } finally {
    await started.stop();
  }
}

/**
 * Starts a server of another project, which is ready once something listens on the port.
 *
 * @param env what the program needs besides the path
 */
export async function startProgram(command: string[], port: number, env = {}): Promise<Server> {
  const child = Bun.spawn(onCore(SERVER_CORE, command), {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdout: 'ignore',
    stderr: 'ignore',
  });
  running.add(child);
  const host = `127.0.0.1:${port}`;
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await isListening(port))) {
    if (child.exitCode === null && performance.now() < deadline) await Bun.sleep(20);
    else {
      await stop(child);
      throw new Error(`${command[0]} did not start`);
    }
  }
  return {
    ws: `ws://${host}`,
    http: `http://${host}`,
    pid: child.pid,
    stop: () => stop(child),
  };
}

async function isListening(port: number): Promise<boolean> {
  const socket = { data() {} };
  const connection = await Bun.connect({ hostname: '127.0.0.1', port, socket }).catch(() => null);
  connection?.end();
  return connection !== null;
}

async function stop(child: Bun.Subprocess): Promise<void> {
  child.kill('SIGTERM');
  const killing = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await child.exited;
  clearTimeout(killing);
  running.delete(child);
}

/** The memory (RSS) of a process, in MiB; on Linux only. */
export function memoryOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** Seconds of processor time that a process has used; on Linux only. */
export function cpuOf(pid: number): number {
  try {
    // The fields after the name, which may hold spaces: proc(5).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return Number.NaN;
  }
}

/** The same for all processes of a name, such as those of Postgres. */
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
    timeout: SCRIPT_TIMEOUT_MS,
  });
  running.add(child);
  const text = await new Response(child.stdout).text();
  const code = await child.exited;
  running.delete(child);
  if (code !== 0) throw new Error(`${script} failed, or took too long`);
  return JSON.parse(text);
}

/** Makes a folder for the time of `use`. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'ws-chat-bench-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes a new database on the Postgres, for the time of `use`. */
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
