import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { SQL } from 'bun';
import { getTableName, is } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
import { dependencies } from '../../package.json';
import * as schema from '../../src/db/schema/index.ts';
import { EPOCH_MS, type World } from './world.ts';

const migrations = new URL('../../src/db/migrations/', import.meta.url).pathname;
const scripts = readdirSync(migrations)
  .filter((file) => file.endsWith('.sql'))
  .sort();

/** SQL of a time and of a random id that are those of the simulation. */
const SIMULATED = `
  create sequence simulated_ids;
  create function simulated_uuid() returns uuid language sql
    as 'select lpad(to_hex(nextval(''simulated_ids'')), 32, ''e'')::uuid';
  alter table rooms alter epoch set default simulated_uuid();
  alter table rooms alter created_at set default to_timestamp(${EPOCH_MS / 1000});
  alter table users alter created_at set default to_timestamp(${EPOCH_MS / 1000});
  alter table notifications alter created_at set default to_timestamp(${EPOCH_MS / 1000});`;

let prepared: Promise<Blob> | undefined;

/** An empty database with our schema, as the files of its folder; made once for each schema, since it takes seconds. */
async function prepare(): Promise<Blob> {
  const hash = new Bun.CryptoHasher('sha256')
    .update(SIMULATED)
    .update(dependencies['@electric-sql/pglite']);
  for (const file of scripts) hash.update(readFileSync(migrations + file));
  const kept = join(tmpdir(), `ws-chat-simulation-${hash.digest('hex').slice(0, 16)}.tar`);
  if (existsSync(kept)) return new Blob([readFileSync(kept)]);
  const files = await make();
  // Renamed, since several processes may make it at once.
  const made = `${kept}.${process.pid}`;
  await Bun.write(made, files);
  renameSync(made, kept);
  return files;
}

async function make(): Promise<Blob> {
  const database = await PGlite.create('memory://');
  for (const file of scripts) await database.exec(readFileSync(migrations + file, 'utf8'));
  await database.exec(SIMULATED);
  const files = await database.dumpDataDir('none');
  await database.close();
  return files;
}

const EMPTIED = `
  rollback;
  truncate ${Object.values(schema)
    .filter((table) => is(table, PgTable))
    .map((table) => getTableName(table))
    .join(', ')} restart identity;
  alter sequence simulated_ids restart;`;

const shared = globalThis as { idleDatabases?: PGlite[] };
/** Databases that no run uses any more, of all copies of this module. */
const idle = shared.idleDatabases ?? [];
shared.idleDatabases = idle;

const asText = (value: string) => value;

/** A real Postgres, whose time is the simulation's. It has one session, so statements run one after the other. */
export class Postgres {
  private constructor(
    private readonly database: PGlite,
    private readonly world: World,
  ) {}

  /** An empty database. */
  static async open(world: World): Promise<Postgres> {
    const used = idle.pop();
    if (used) {
      await used.exec(EMPTIED);
      return new Postgres(used, world);
    }
    prepared ??= prepare();
    return new Postgres(await PGlite.create({ loadDataDir: await prepared }), world);
  }

  /**
   * Runs a statement now.
   *
   * @throws what Bun's driver would throw
   */
  async run<Row = unknown>(text: string, params: unknown[] = [], isArray = false): Promise<Row[]> {
    const given = params.map(toText);
    const time = `to_timestamp($${given.length + 1}::float8)`;
    let statement = text.replaceAll('gen_random_uuid()', 'simulated_uuid()');
    if (/\b(now|clock_timestamp)\(\)/.test(statement)) {
      statement = statement.replace(/\b(now|clock_timestamp)\(\)/g, () => time);
      given.push(`${(EPOCH_MS + this.world.time) / 1000}`);
    }
    try {
      const { rows } = await this.database.query<Row>(statement, given, {
        rowMode: isArray ? 'array' : 'object',
        serializers: plain,
        parsers: { 20: asText },
      });
      return rows;
    } catch (error) {
      const { message, code } = error as Error & { code: string };
      throw serverError(code, message);
    }
  }

  /** Leaves the database to the next run, which empties it: a new one takes seconds. */
  close(): void {
    idle.push(this.database);
  }
}

/** An error of Postgres, as Bun's driver throws it. */
export function serverError(state: string, message: string): Error {
  return new SQL.PostgresError(message, { code: 'ERR_POSTGRES_SERVER_ERROR', errno: state });
}

/** Every type of parameter is sent as the text that it is. */
const plain: Record<number, (value: string) => string> = new Proxy(
  {},
  { get: () => asText, has: () => true },
);

function toText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'boolean') return value ? 't' : 'f';
  return typeof value === 'object' ? JSON.stringify(value) : `${value}`;
}
