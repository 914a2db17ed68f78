/**
 * Preloaded into a process, with all its threads and children: writes each operation on the files
 * below `RECORD_ROOT` to the log at `RECORD_TO`, in order, for {@link file://./disk.ts}.
 */
import fs from 'node:fs';

/** A file operation, by a process and one of its file descriptors or by paths, and the bytes that it wrote. */
export type Operation = { pid: number } & (
  | { do: 'open'; fd: number; path: string }
  | { do: 'write'; fd: number; at: number }
  | { do: 'ftruncate'; fd: number; size: number }
  | { do: 'fsync'; fd: number }
  | { do: 'close'; fd: number }
  | { do: 'truncate'; path: string; size: number }
  | { do: 'create'; path: string }
  | { do: 'mkdir'; path: string }
  | { do: 'remove'; path: string }
  | { do: 'rename'; path: string; to: string }
);

// `Omit` of a union leaves only what its members share.
type Recorded = Operation extends infer Each ? Omit<Each, 'pid'> & Record<string, unknown> : never;

const { RECORD_ROOT: root = '', RECORD_TO: log = '' } = process.env;

if (log) {
  // A thread inherits no preloads.
  globalThis.Worker = class extends globalThis.Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, { ...options, preload: [import.meta.path] });
    }
  };
  const plain = { ...fs };
  const output = plain.openSync(log, 'a');
  const opened = new Set<number>();
  const isOurs = (path: unknown): path is string =>
    typeof path === 'string' && path.startsWith(root);
  const record = (operation: Recorded, data: Uint8Array = new Uint8Array()) => {
    const head = Buffer.from(JSON.stringify({ pid: process.pid, ...operation }));
    const lengths = Buffer.alloc(8);
    lengths.writeUInt32LE(head.length, 0);
    lengths.writeUInt32LE(data.length, 4);
    plain.writeSync(output, Buffer.concat([lengths, head, data]));
  };

  Object.assign(fs, {
    openSync(path: string, flags: string | number) {
      const fd = plain.openSync(path, flags);
      if (isOurs(path)) {
        opened.add(fd);
        record({ do: 'open', fd, path });
      }
      return fd;
    },
    closeSync(fd: number) {
      // Before, since another thread may get the same number at once.
      if (opened.delete(fd)) record({ do: 'close', fd });
      plain.closeSync(fd);
    },
    writeSync(fd: number, from: Uint8Array, offset: number, length: number, at: number) {
      const written = plain.writeSync(fd, from, offset, length, at);
      if (opened.has(fd)) {
        record(
          { do: 'write', fd, at },
          new Uint8Array(from.buffer, from.byteOffset + offset, written),
        );
      }
      return written;
    },
    ftruncateSync(fd: number, size: number) {
      plain.ftruncateSync(fd, size);
      if (opened.has(fd)) record({ do: 'ftruncate', fd, size });
    },
    truncateSync(path: string, size: number) {
      plain.truncateSync(path, size);
      if (isOurs(path)) record({ do: 'truncate', path, size });
    },
    fsyncSync(fd: number) {
      plain.fsyncSync(fd);
      if (opened.has(fd)) record({ do: 'fsync', fd });
    },
    fsync(fd: number, done: fs.NoParamCallback) {
      plain.fsync(fd, (error) => {
        if (!error && opened.has(fd)) record({ do: 'fsync', fd });
        done(error);
      });
    },
    writeFileSync(path: string, data: string, options: object) {
      plain.writeFileSync(path, data, options);
      if (isOurs(path)) record({ do: 'create', path });
    },
    mkdirSync(path: string, options: object) {
      const made = plain.mkdirSync(path, options);
      if (isOurs(path)) record({ do: 'mkdir', path });
      return made;
    },
    mkdtempSync(prefix: string) {
      const path = plain.mkdtempSync(prefix);
      if (isOurs(path)) record({ do: 'mkdir', path });
      return path;
    },
    renameSync(path: string, to: string) {
      plain.renameSync(path, to);
      if (isOurs(path)) record({ do: 'rename', path, to });
    },
    ...Object.fromEntries(
      (['unlinkSync', 'rmdirSync', 'rmSync'] as const).map((name) => [
        name,
        (path: string, options: object) => {
          const isThere = isOurs(path) && plain.existsSync(path);
          (plain[name] as (path: string, options: object) => void)(path, options);
          if (isThere) record({ do: 'remove', path });
        },
      ]),
    ),
  });
}
