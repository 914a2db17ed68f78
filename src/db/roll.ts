import { gt, lt, sql } from 'drizzle-orm';
import type { Database } from './index.ts';
import { isolatedServers } from './schema/index.ts';

const ago = (seconds: number) => sql`now() - make_interval(secs => ${seconds})`;
/** Seconds for which an entry counts. Servers renew theirs every two seconds; this allows for a slow database. */
const AT_WORK_S = 10;
const FORGOTTEN_AFTER_S = 3600;

/** The list of servers that cannot reach the others over Redis, in the database that they share. */
export class ServerRoll {
  constructor(private readonly db: Database) {}

  /** @param server names this server, which is running now */
  async say(server: string): Promise<void> {
    await this.db
      .insert(isolatedServers)
      .values({ id: server, seenAt: sql`now()` })
      .onConflictDoUpdate({ target: isolatedServers.id, set: { seenAt: sql`now()` } });
    await this.db.delete(isolatedServers).where(lt(isolatedServers.seenAt, ago(FORGOTTEN_AFTER_S)));
  }

  /** The servers that were listed in the last seconds. */
  async all(): Promise<string[]> {
    const { id, seenAt } = isolatedServers;
    const found = await this.db
      .select({ id })
      .from(isolatedServers)
      .where(gt(seenAt, ago(AT_WORK_S)));
    return found.map((row) => row.id);
  }
}
