import fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PGlite, type PGliteOptions } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';

/** The parts of Emscripten's library_nodefs.js that its types lack. */
interface HostFiles {
  stream_ops: { fsync?: (stream: { nfd: number }) => void };
  /** Turns an error of the host into one that Postgres understands. */
  tryFSOperation(operation: () => void): void;
}

/** Files on the host that are synced when Postgres calls `fsync`, which Emscripten's own ignore. */
class SyncedFiles extends NodeFS {
  override async init(...[pg, options]: Parameters<NodeFS['init']>) {
    const { emscriptenOpts } = await super.init(pg, options);
    const { preRun = [] } = emscriptenOpts;
    return {
      emscriptenOpts: {
        ...emscriptenOpts,
        preRun: [
          ...preRun,
          ({ NODEFS }: { NODEFS: unknown }) => {
            const files = NODEFS as HostFiles;
            files.stream_ops.fsync = ({ nfd }) => files.tryFSOperation(() => fs.fsyncSync(nfd));
          },
        ],
      },
    };
  }
}

/** PGlite's default of 128 MiB is never given back, and the system caches the files anyway. */
const MEMORY = ['-c', 'shared_buffers=16MB'];

/**
 * The options of a PGlite that keeps its database in a folder and answers a commit once it is on the disk.
 *
 * @param folder of the database, or `memory` for one without files
 */
export function postgresOptions(folder: string): PGliteOptions {
  if (folder === 'memory') return { startParams: [...PGlite.defaultStartParams, ...MEMORY] };
  return {
    fs: new SyncedFiles(folder),
    startParams: [
      // "-F" turns fsync off.
      ...PGlite.defaultStartParams.filter((param) => param !== '-F'),
      ...MEMORY,
      // Emscripten answers fdatasync, the default, without asking the host.
      '-c',
      'wal_sync_method=fsync',
    ],
  };
}

const fsync = promisify((fd: number, done: fs.NoParamCallback) => fs.fsync(fd, done));

/** Files that are synced at once: a disk takes many flushes in the time of one. */
const SYNCED_AT_ONCE = 32;

/** Returns when a folder, and all that is in it, is on the disk. */
export async function syncTree(folder: string): Promise<void> {
  const paths = fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name));
  paths.push(folder);
  const work = async () => {
    for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
      const opened = fs.openSync(path, 'r');
      await fsync(opened).finally(() => fs.closeSync(opened));
    }
  };
  await Promise.all(Array.from({ length: SYNCED_AT_ONCE }, work));
}

/** Waits until a file, or the names in a folder, are on the disk. */
export function sync(path: string): void {
  const opened = fs.openSync(path, 'r');
  try {
    fs.fsyncSync(opened);
  } finally {
    fs.closeSync(opened);
  }
}
