/**
 * `bun run db:push`: brings the schema up to date as `db:migrate` does, and adds the parts of `schema/` that
 * the last migration lacks. It compares the schema only with the migrations, never with other objects in the
 * database, and drops nothing: dropping is for a migration.
 */
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api';
import { sql } from 'drizzle-orm';
import { readDatabaseSettings } from '../config.ts';
import { rootMessage } from '../lib/root-cause.ts';
import { openDatabase } from './index.ts';
import journal from './migrations/meta/_journal.json';
import { repeatable } from './repeatable.ts';
import * as schema from './schema/index.ts';

try {
  const { db, close } = await openDatabase(readDatabaseSettings(process.env));
  try {
    const last = `${journal.entries.length - 1}`.padStart(4, '0');
    const { default: migrated } = await import(`./migrations/meta/${last}_snapshot.json`);
    const beyond = await generateMigration(migrated, generateDrizzleJson(schema));
    const drops = beyond.filter((statement) => /\bDROP\b/.test(statement));
    await db.transaction(async (tx) => {
      for (const statement of beyond) {
        if (!drops.includes(statement)) await tx.execute(sql.raw(repeatable(statement)));
      }
    });
    for (const statement of drops) console.log(`Left for a migration (db:generate): ${statement}`);
  } finally {
    await close();
  }
  console.log('The database has the schema.');
} catch (error) {
  console.error(rootMessage(error));
  process.exitCode = 1;
}
