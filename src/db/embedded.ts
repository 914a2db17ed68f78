import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DatabaseSettings } from '../config.ts';
import { rootMessage } from '../lib/root-cause.ts';
import { type DataDirLock, lockDataDir } from './data-dir-lock.ts';
import { PostgresThread } from './postgres-thread.ts';
import { sync, syncTree } from './synced-files.ts';

export interface EmbeddedPostgres {
  /** A Unix socket that speaks the Postgres protocol. */
  socketPath: string;
  /** Settles when the database has failed for good, with the reason. */
  failure: Promise<Error>;
  /** @throws {Error} when it cannot be closed in good order; commits are safe all the same */
  close(): Promise<void>;
}

/**
 * How long opening may take before it counts as hanging, in milliseconds. Its longest part is the replay
 * of the log after a crash: at least 20 MiB a second, of 64 MiB and the log of one statement.
 */
const OPEN_TIMEOUT_MS = 120_000;
const SOCKET = '.s.PGSQL.5432';
/** The folder of Postgres in `DATA_DIR`. */
const POSTGRES = 'postgres';
/** The prefix of the folder in `DATA_DIR` in which a new database is created. */
const UNFINISHED = 'new-postgres-';

/** Whether opening begins with creating the database, which takes seconds. */
export function willCreate({ databaseUrl, dataDir }: DatabaseSettings): boolean {
  return !databaseUrl && (dataDir === 'memory' || !isMade(resolve(dataDir, POSTGRES)));
}

function isMade(folder: string): boolean {
  return fs.existsSync(join(folder, 'PG_VERSION'));
}

/**
 * Starts PGlite in a worker thread, so that a long statement never holds up the sockets.
 *
 * @param dataDir a folder, created if it is missing, or `memory`
 * @param timeout for opening, and for creating a new database, in milliseconds
 * @throws {Error} when another server has the folder open, or it cannot be read or written
 */
export async function openEmbedded(
  dataDir: string,
  timeout = OPEN_TIMEOUT_MS,
): Promise<EmbeddedPostgres> {
  const inMemory = dataDir === 'memory';
  const lock = inMemory ? undefined : lockFolder(dataDir);
  const socketDir =
    inMemory || isTooLongForSockets(dataDir) ? fs.mkdtempSync(join(tmpdir(), 'ws-chat-')) : dataDir;
  const socketPath = join(socketDir, SOCKET);
  const thread = new PostgresThread();
  const cleanUp = () => {
    thread.end();
    fs.rmSync(socketDir === dataDir ? socketPath : socketDir, { recursive: true, force: true });
    lock?.release();
  };

  try {
    // A killed server left it behind; the lock proves that no server listens there.
    fs.rmSync(socketPath, { force: true });
    const open = lock ? await prepareFolder(dataDir, lock, timeout) : dataDir;
    await thread.ask({ open, socketPath }, timeout);
  } catch (error) {
    cleanUp();
    throw new Error(
      `DATA_DIR: cannot open the database in ${dataDir}: ${(error as Error).message}`,
    );
  }
  return {
    socketPath,
    failure: thread.failure,
    async close() {
      try {
        await thread.ask('close', timeout);
      } finally {
        cleanUp();
      }
    },
  };
}

function lockFolder(dataDir: string): DataDirLock {
  try {
    // Only for its owner, since it holds the key of the tokens.
    const made = fs.mkdirSync(resolve(dataDir), { recursive: true, mode: 0o700 });
    const lock = lockDataDir(dataDir);
    if (made) {
      // The names of the new folders, each of which is in the one above.
      for (let folder = resolve(dataDir); folder !== dirname(made); folder = dirname(folder)) {
        sync(dirname(folder));
      }
    }
    return lock;
  } catch (error) {
    throw new Error(`DATA_DIR: cannot use the folder ${dataDir}: ${rootMessage(error)}`);
  }
}

/** @returns the folder of the database, which exists, is on the disk and can be opened */
async function prepareFolder(dataDir: string, lock: DataDirLock, timeout: number): Promise<string> {
  const folder = resolve(dataDir, POSTGRES);
  if (!isMade(folder)) await makeDatabase(dataDir, folder, timeout);
  else if (!lock.isSynced) await syncTree(folder);
  if (!lock.isSynced) lock.settle();
  // A power cut may leave it empty, which Postgres refuses; the lock proves that no other Postgres runs.
  fs.rmSync(join(folder, 'postmaster.pid'), { force: true });
  return folder;
}

/** Creates the database under another name and renames it, so that it is complete or missing. */
async function makeDatabase(dataDir: string, folder: string, timeout: number): Promise<void> {
  for (const name of fs.readdirSync(dataDir)) {
    if (name.startsWith(UNFINISHED)) fs.rmSync(join(dataDir, name), { recursive: true });
  }
  const unfinished = fs.mkdtempSync(join(resolve(dataDir), UNFINISHED));
  const script = fileURLToPath(new URL('./embedded-initdb.ts', import.meta.url));
  const child = Bun.spawn([process.execPath, script, unfinished], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
    timeout,
    killSignal: 'SIGKILL',
  });
  const [exitCode, errors] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (exitCode !== 0) {
    fs.rmSync(unfinished, { recursive: true, force: true });
    const reason = /^error: (.*)$/im.exec(errors)?.[1] ?? `the process ended with code ${exitCode}`;
    throw new Error(`a new database cannot be created: ${reason}`);
  }
  fs.renameSync(unfinished, folder);
  sync(dataDir);
}

/** The address of a Unix socket has room for 104 bytes on macOS, 108 on Linux: sockaddr_un, unix(7). */
function isTooLongForSockets(dir: string): boolean {
  return Buffer.byteLength(join(dir, SOCKET)) > 100;
}
