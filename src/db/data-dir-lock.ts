import { Database as Sqlite } from 'bun:sqlite';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Holder {
  pid: number;
  /** The boot under which every write since is known to be kept. */
  bootId: string | null;
  clean: number;
}

export interface DataDirLock {
  /** The last server did not stop cleanly and the machine has been started anew since. */
  readonly writesMayBeLost: boolean;
  /** Says that whoever relies on the lost writes has been warned. */
  settle(): void;
  /** @param clean the database was closed in good order */
  release(clean: boolean): void;
}

/**
 * Keeps a second server out of a data folder, and tells whether the last one ended with the machine.
 *
 * The lock is a SQLite write transaction that stays open: the operating system lets go of it the
 * moment the process dies, however it dies, and process ids, which containers reuse, decide nothing.
 *
 * @throws {Error} a readable line when another process holds the folder
 */
export function lockDataDir(dataDir: string): DataDirLock {
  const file = new Sqlite(join(dataDir, 'lock'), { create: true });
  const read = () => file.query<Holder, []>('select pid, bootId, clean from holder').get();
  const write = ({ pid, bootId, clean }: Holder) => {
    file.run('delete from holder');
    file.run('insert into holder values (?, ?, ?)', [pid, bootId, clean]);
    file.run('commit');
  };
  try {
    file.run('begin immediate');
    file.run('create table if not exists holder (pid integer, bootId text, clean integer)');
    const last = read();
    const here: Holder = { pid: process.pid, bootId: currentBootId(), clean: 0 };
    let inDoubt = last?.clean === 0 && (here.bootId === null || last.bootId !== here.bootId);
    write({ ...here, bootId: inDoubt ? (last?.bootId ?? null) : here.bootId });
    file.run('begin immediate');
    return {
      writesMayBeLost: inDoubt,
      settle() {
        inDoubt = false;
        write(here);
        file.run('begin immediate');
      },
      release(clean) {
        if (clean && !inDoubt) write({ ...here, clean: 1 });
        file.close();
      },
    };
  } catch (error) {
    if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
    const holder = read();
    file.close();
    throw new Error(
      `the data folder ${dataDir} is in use by another server${holder ? ` (process ${holder.pid})` : ''}; stop that one, or set DATA_DIR to another folder`,
    );
  }
}

/** Changes whenever the machine starts; null where the system does not tell. */
function currentBootId(): string | null {
  try {
    return process.platform === 'darwin'
      ? Bun.spawnSync(['sysctl', '-n', 'kern.bootsessionuuid']).stdout.toString().trim()
      : readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return null;
  }
}
