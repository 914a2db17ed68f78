import { SQL } from 'bun';
import type { CuttableProxy } from './cuttable-proxy.ts';

/** Ends a fault. */
export type Heal = () => unknown;

/** The wait of a statement for a lock before its connection is cut. */
const LATE_MS = 500;

// Rows that are locked already are left alone, so that two programs never wait for each other.
const lockedRoom = (name: string) =>
  `select from rooms where name = '${name}' for update skip locked`;
const LOCKED_CURSORS = 'select from read_positions for update skip locked';

/**
 * The faults between a server and its Postgres.
 *
 * @param url of the database itself
 * @param proxy between the server and its database
 */
export const postgresFaults = {
  /** Another program holds a room's row. */
  lockRoom: (url: string, _: CuttableProxy, room: string): Promise<Heal> =>
    holding(url, lockedRoom(room)),
  /** A statement that waits for a lock when its connection is cut is committed all the same, once the lock is free. */
  async commitLate(url: string, proxy: CuttableProxy, room: string): Promise<Heal> {
    const letGo = await holding(url, lockedRoom(room), LOCKED_CURSORS);
    const cut = Bun.sleep(LATE_MS).then(() => {
      proxy.cut();
      return proxy.mend();
    });
    return () => cut.then(letGo);
  },
  async hangPostgres(_: string, proxy: CuttableProxy): Promise<Heal> {
    proxy.hold();
    return () => proxy.release();
  },
  async cutPostgres(_: string, proxy: CuttableProxy): Promise<Heal> {
    proxy.cut();
    return () => proxy.mend();
  },
};

/** A session of another program, which holds its locks until it is ended. */
export async function holding(url: string, ...statements: string[]): Promise<() => Promise<void>> {
  const holder = new SQL(url, { max: 1 });
  await holder.unsafe('begin');
  for (const statement of statements) await holder.unsafe(statement);
  return async () => {
    // Postgres may have been restarted meanwhile.
    await holder.unsafe('rollback').catch(() => {});
    await holder.close();
  };
}
