/** `bun run db:migrate`: brings the schema up to date without serving. */
import { readDatabaseSettings } from '../config.ts';
import { rootMessage } from '../lib/root-cause.ts';
import { openDatabase } from './index.ts';

try {
  const { close } = await openDatabase(readDatabaseSettings(process.env));
  await close();
  console.log('The database is up to date.');
} catch (error) {
  console.error(rootMessage(error));
  process.exitCode = 1;
}
