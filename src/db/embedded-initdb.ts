/**
 * `bun src/db/embedded-initdb.ts <folder>`: creates an empty database in a folder, and ends once all of
 * it is on the disk. A process of its own, since a process never gives back the memory that this takes.
 */
import { PGlite } from '@electric-sql/pglite';
import { postgresOptions, syncTree } from './synced-files.ts';

const [folder = ''] = process.argv.slice(2);
const { startParams = [], ...options } = postgresOptions(folder);
// Without fsync: all files are synced together at the end.
const database = await PGlite.create({ ...options, startParams: [...startParams, '-F'] });
await database.close();
await syncTree(folder);
process.exit();
