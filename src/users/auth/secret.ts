import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { Database } from '../../db/index.ts';
import { secrets } from '../../db/schema/index.ts';

/**
 * The key of our tokens: the setting or, without it, a key that the first server of a database draws and all
 * servers use from then on.
 */
export async function tokenSecret(db: Database, set: string | undefined): Promise<string> {
  if (set) return set;
  // One statement: of servers that start at once, one draws the key and the others read it.
  const [kept] = await db
    .insert(secrets)
    .values({ name: 'auth_secret', value: randomBytes(32).toString('base64url') })
    .onConflictDoUpdate({ target: secrets.name, set: { name: sql`excluded.name` } })
    .returning({ value: secrets.value });
  if (!kept) throw new Error('the database did not return its secret');
  return kept.value;
}
