import { Database as Sqlite } from 'bun:sqlite';
import { join } from 'node:path';

export interface DataDirLock {
  /** All files of the folder were on the disk when {@link settle} was called, and each write since has been synced. */
  readonly isSynced: boolean;
  settle(): void;
  release(): void;
}

/**
 * Keeps a second server out of a data folder.
 *
 * The lock is a SQLite write transaction that stays open: the operating system releases it the
 * moment the process dies, however it dies. Process ids decide nothing, since containers reuse them.
 *
 * @throws {Error} a readable line when another process holds the folder
 */
export function lockDataDir(dataDir: string): DataDirLock {
  const file = new Sqlite(join(dataDir, 'lock'), { create: true });
  const lock = () => file.run('begin immediate');
  const orInUse = <T>(act: () => T): T => {
    try {
      return act();
    } catch (error) {
      if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
      const holder = file.query<{ pid: number }, []>('select pid from holder').get();
      file.close();
      throw new Error(
        `it is in use by another server${holder ? ` (process ${holder.pid})` : ''}; stop that one, or set DATA_DIR to another folder`,
      );
    }
  };
  return orInUse(() => {
    lock();
    file.run('create table if not exists holder (pid integer)');
    file.run('delete from holder');
    file.run('insert into holder (pid) values (?)', [process.pid]);
    file.run('commit');
    lock();
    const version = file.query<{ user_version: number }, []>('pragma user_version').get();
    return {
      isSynced: version?.user_version === SYNCED,
      settle: () =>
        orInUse(() => {
          file.run(`pragma user_version = ${SYNCED}`);
          file.run('commit');
          lock();
        }),
      release: () => file.close(),
    };
  });
}

/** Earlier versions, which did not sync, left SQLite's 0. */
const SYNCED = 1;
