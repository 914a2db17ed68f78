import { afterAll } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { UNLIMITED } from './server.ts';

const root = new URL('../../', import.meta.url).pathname;

export interface ServerProcess {
  /** Where it serves, once it has said so; undefined when it ended before. */
  ready: Promise<string | undefined>;
  /** All that it has printed, once it has ended. */
  output: Promise<{ stdout: string; stderr: string }>;
  exited: Promise<number>;
  kill(signal: NodeJS.Signals): void;
}

/** The server as a user starts it, with these settings and no others, on a free port unless one is given. */
export function startProcess(settings: Record<string, string>): ServerProcess {
  const child = Bun.spawn([process.execPath, 'src/index.ts'], {
    cwd: root,
    env: {
      PATH: process.env.PATH ?? '',
      PORT: '0',
      LOG_LEVEL: 'error',
      ...UNLIMITED,
      ...(settings.DATABASE_URL && { AUTH_SECRET: crypto.randomUUID() }),
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
    kill: (signal) => child.kill(signal),
  };
}

/** Starts it and waits until it serves. */
export async function startReady(settings: Record<string, string>) {
  const server = startProcess(settings);
  const url = await server.ready;
  if (!url) throw new Error(`it did not start: ${JSON.stringify(await server.output)}`);
  return { ...server, url, ws: `${url.replace('http', 'ws')}/ws` };
}

/** A folder that is gone when the tests of the file are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ws-chat-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
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
