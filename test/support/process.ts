import { afterAll } from 'bun:test';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from './at-end.ts';
import { UNLIMITED } from './server.ts';

const root = new URL('../../', import.meta.url).pathname;

export interface ServerProcess {
  /** The address in its log, once it is there; undefined when the server ended before. */
  ready: Promise<string | undefined>;
  /** Its whole output, once it has ended. */
  output: Promise<{ stdout: string; stderr: string }>;
  exited: Promise<number>;
  pid: number;
  kill(signal: NodeJS.Signals): void;
}

/**
 * The server as a user starts it, with these settings and no others, on a free port unless one is given.
 *
 * @param within a command that runs another, if it is to be started by one
 */
export function startProcess(
  settings: Record<string, string>,
  project = root,
  within: string[] = [],
): ServerProcess {
  const child = Bun.spawn([...within, process.execPath, 'src/index.ts'], {
    cwd: project,
    env: {
      PATH: process.env.PATH ?? '',
      PORT: '0',
      LOG_LEVEL: 'error',
      ...UNLIMITED,
      ...settings,
    },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  afterAll(() => child.kill('SIGKILL'));
  const [forReady, forOutput] = child.stdout.tee();
  return {
    ready: firstAddress(forReady),
    output: Promise.all([new Response(forOutput).text(), new Response(child.stderr).text()]).then(
      ([stdout, stderr]) => ({ stdout, stderr }),
    ),
    exited: child.exited,
    pid: child.pid,
    kill: (signal) => child.kill(signal),
  };
}

/** Starts it and waits until it serves. */
export async function startReady(settings: Record<string, string>, project = root) {
  const server = startProcess(settings, project);
  const url = await server.ready;
  if (!url) throw new Error(`it did not start: ${JSON.stringify(await server.output)}`);
  return { ...server, url, ws: `${url.replace('http', 'ws')}/ws` };
}

/** Starts it as its supervisor would: once more where a busy machine left the database's answer unread for too long. */
export async function restartReady(settings: Record<string, string>) {
  return startReady(settings).catch((error: Error) => {
    if (!error.message.includes('the database did not answer in time')) throw error;
    console.warn('a server was started twice');
    return startReady(settings);
  });
}

/** A folder that is gone when the tests of the file are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ws-chat-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

let made: Promise<string> | undefined;

/**
 * A data folder with an empty database, removed when the tests of the file are done. Creating a database takes
 * seconds, so it is created once in a run, and copied; only tests of the first start need a first start.
 */
export async function dataFolder(): Promise<string> {
  made ??= makeDataFolder().catch((error) => {
    made = undefined;
    throw error;
  });
  const folder = join(temporaryFolder(), 'data');
  cpSync(await made, folder, { recursive: true });
  return folder;
}

async function makeDataFolder(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'ws-chat-test-'));
  atEnd(async () => {
    made = undefined;
    rmSync(folder, { recursive: true, force: true });
  });
  const data = join(folder, 'data');
  const { kill, exited } = await startReady({ DATA_DIR: data });
  kill('SIGTERM');
  await exited;
  return data;
}

/** A copy of the project, whose files a test may change. */
export function copyOfProject(): string {
  const folder = temporaryFolder();
  for (const part of ['src', 'client', 'public', 'tsconfig.json', 'package.json']) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

async function firstAddress(stdout: ReadableStream<Uint8Array>): Promise<string | undefined> {
  let text = '';
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream() as never)) {
    text += chunk;
    const address = /http:\/\/\S+/.exec(text)?.[0];
    if (address && text.includes('\n')) return address;
  }
}
