import { SQL } from 'bun';
import type { CuttableProxy } from './cuttable-proxy.ts';

/** Gives back what a fault has taken away. */
export type Heal = () => unknown;

/** How long a statement waits for a lock before the line is cut on which it came. */
const LATE_MS = 500;

// What is locked already is left alone, so that two that lock never wait for each other.
const lockedRoom = (name: string) =>
  `select from rooms where name = '${name}' for update skip locked`;
const LOCKED_CURSORS = 'select from read_positions for update skip locked';

/**
 * What may fail between a server and its Postgres.
 *
 * @param url of the database itself
 * @param line of the server
 */
export const postgresFaults = {
  /** Another program holds a room's row. */
  lockRoom: (url: string, _: CuttableProxy, room: string): Promise<Heal> =>
    holding(url, lockedRoom(room)),
  /** What has waited for a lock when the line is cut is committed all the same, once there is no lock. */
  async commitLate(url: string, line: CuttableProxy, room: string): Promise<Heal> {
    const letGo = await holding(url, lockedRoom(room), LOCKED_CURSORS);
    const cut = Bun.sleep(LATE_MS).then(() => {
      line.cut();
      return line.mend();
    });
    return () => cut.then(letGo);
  },
  async hangPostgres(_: string, line: CuttableProxy): Promise<Heal> {
    line.hold();
    return () => line.release();
  },
  async cutPostgres(_: string, line: CuttableProxy): Promise<Heal> {
    line.cut();
    return () => line.mend();
  },
};

/** A session of another program's, which holds what it has locked until it is let go. */
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
