import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type DataDirLock, lockDataDir } from './data-dir-lock.ts';
import type { WorkerReply, WorkerRequest } from './embedded-worker.ts';

export interface EmbeddedPostgres {
  /** A Unix socket that speaks the Postgres protocol. */
  socketPath: string;
  /** The machine went down under the last server, so its last commits may be missing. */
  writesMayBeLost: boolean;
  /** Says that new epochs are drawn, so that `writesMayBeLost` is dealt with. */
  settle(): void;
  close(): Promise<void>;
}

/**
 * Starts PGlite in a worker thread, so that a long statement never holds up the sockets.
 *
 * @param dataDir a folder, made if it is missing, or `memory`
 * @throws {Error} when another server has the folder open, or it cannot be written
 */
export async function openEmbedded(dataDir: string): Promise<EmbeddedPostgres> {
  const inMemory = dataDir === 'memory';
  let lock: DataDirLock | undefined;
  if (!inMemory) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    lock = lockDataDir(dataDir);
  }
  const socketDir = inMemory || isTooLongForSockets(dataDir) ? mkdtempSync(SOCKET_DIR) : dataDir;
  const socketPath = join(socketDir, SOCKET);
  const worker = new Worker(new URL('./embedded-worker.ts', import.meta.url).href);
  const cleanUp = (clean: boolean) => {
    worker.terminate();
    rmSync(socketDir === dataDir ? socketPath : socketDir, { recursive: true, force: true });
    lock?.release(clean);
  };

  try {
    // What a killed server left behind; the lock says that nobody listens there.
    rmSync(socketPath, { force: true });
    await ask(worker, { open: inMemory ? 'memory://' : resolve(dataDir, 'postgres'), socketPath });
  } catch (error) {
    cleanUp(false);
    throw error;
  }
  return {
    socketPath,
    writesMayBeLost: lock?.writesMayBeLost ?? false,
    settle: () => lock?.settle(),
    async close() {
      await ask(worker, 'close');
      cleanUp(true);
    },
  };
}

const SOCKET = '.s.PGSQL.5432';
const SOCKET_DIR = join(tmpdir(), 'ws-chat-');

/** The address of a Unix socket has room for 104 bytes on macOS, 108 on Linux: sockaddr_un, unix(7). */
function isTooLongForSockets(dir: string): boolean {
  return Buffer.byteLength(join(dir, SOCKET)) > 100;
}

/** Sends one request to the worker and waits for its one reply. */
function ask(worker: Worker, request: WorkerRequest): Promise<void> {
  return new Promise((done, failed) => {
    worker.onmessage = ({ data }: MessageEvent<WorkerReply>) =>
      'error' in data ? failed(new Error(data.error)) : done();
    worker.onerror = (event) => failed(new Error(`the embedded database failed: ${event.message}`));
    worker.postMessage(request);
  });
}
