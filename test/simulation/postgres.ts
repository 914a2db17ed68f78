import { readdirSync, readFileSync } from 'node:fs';
import { SQL } from 'bun';
import { POSTGRES_URL } from '../support/postgres-url.ts';
import { EPOCH_MS, type World } from './world.ts';

const migrations = new URL('../../src/db/migrations/', import.meta.url).pathname;
/** Our schema, in the temporary tables of one session: they end with it, and nothing else uses them. */
const SCHEMA = readdirSync(migrations)
  .filter((file) => file.endsWith('.sql'))
  .sort()
  .map((file) => readFileSync(migrations + file, 'utf8'))
  .join('\n');

/** SQL of a time and of a random id that are those of the simulation. */
const SIMULATED = `
  create sequence simulated_ids;
  create function pg_temp.simulated_uuid() returns uuid language sql
    as 'select lpad(to_hex(nextval(''simulated_ids'')), 32, ''e'')::uuid';
  alter table rooms alter epoch set default pg_temp.simulated_uuid();
  alter table rooms alter created_at set default to_timestamp(${EPOCH_MS / 1000});
  alter table users alter created_at set default to_timestamp(${EPOCH_MS / 1000});
  alter table notifications alter created_at set default to_timestamp(${EPOCH_MS / 1000});`;

/** A real Postgres, whose time is the simulation's. It has one session, so statements run one after the other. */
export class Postgres {
  private constructor(
    private readonly session: SQL,
    private readonly world: World,
  ) {}

  /** An empty database on the Postgres of the tests. */
  static async open(world: World): Promise<Postgres> {
    const connection = { search_path: 'pg_temp' };
    const session = new SQL({ url: POSTGRES_URL, max: 1, idleTimeout: 0, connection });
    await session.unsafe(SCHEMA + SIMULATED).simple();
    return new Postgres(session, world);
  }

  /**
   * Runs a statement now.
   *
   * @returns its rows, with the `count` of those that it has found or written
   * @throws the errors of Bun's driver
   */
  async run<Row = unknown>(
    text: string,
    params: unknown[] = [],
    isArray = false,
  ): Promise<Row[] & { count: number }> {
    const given = [...params];
    const time = `to_timestamp($${given.length + 1}::float8)`;
    let statement = text.replaceAll('gen_random_uuid()', 'pg_temp.simulated_uuid()');
    if (/\b(now|clock_timestamp)\(\)/.test(statement)) {
      statement = statement.replace(/\b(now|clock_timestamp)\(\)/g, () => time);
      given.push((EPOCH_MS + this.world.time) / 1000);
    }
    const result = this.session.unsafe(statement, given);
    return isArray ? result.values() : result;
  }

  async close(): Promise<void> {
    await this.session.close();
  }
}

/** An error of Postgres, as Bun's driver throws it. */
export function serverError(state: string, message: string): Error {
  return new SQL.PostgresError(message, { code: 'ERR_POSTGRES_SERVER_ERROR', errno: state });
}
