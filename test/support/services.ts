import { afterAll, test } from 'bun:test';
import { SQL } from 'bun';
import { POSTGRES_URL } from './postgres-url.ts';

/** Whether a Postgres answers; without one the tests that need it are skipped, and say so. */
export const hasPostgres = await answers(POSTGRES_URL);

/**
 * A test that needs services that this machine may lack. Then it is skipped with a line that names the
 * missing ones, or fails where `REQUIRE_SERVICES=1` says that all of it is there.
 *
 * @param needs each service by its name, and whether it was found
 */
export function testWith(needs: Record<string, unknown>) {
  const missing = Object.keys(needs)
    .filter((name) => !needs[name])
    .join(' and ');
  if (missing === '') return test;
  if (process.env.REQUIRE_SERVICES !== '1') {
    console.warn(`skipped, for want of ${missing}:`);
    return test.skip;
  }
  return (name: string, _: () => Promise<void>, _timeout?: number) =>
    test(name, () => {
      throw new Error(`${missing} is required and missing`);
    });
}

export const postgres = { [`a Postgres at ${POSTGRES_URL}`]: hasPostgres };
export const testWithPostgres = testWith(postgres);

/** Enough for a server, and few, as many servers and other programs share that Postgres. */
const CONNECTIONS = 3;

/** The URL of a new, empty database on the shared Postgres, gone when the tests of the file are done. */
export async function freshPostgres(): Promise<string> {
  const name = `ws_chat_test_${crypto.randomUUID().replaceAll('-', '')}`;
  await asAdmin(`create database ${name}`);
  afterAll(() => asAdmin(`drop database if exists ${name} with (force)`));
  const url = new URL(POSTGRES_URL);
  url.pathname = `/${name}`;
  url.searchParams.set('max', `${CONNECTIONS}`);
  return url.href;
}

async function asAdmin(statement: string): Promise<void> {
  const admin = new SQL(POSTGRES_URL, { max: 1 });
  await admin.unsafe(statement);
  await admin.close();
}

async function answers(url: string): Promise<boolean> {
  const client = new SQL(url, { max: 1, connectionTimeout: 3 });
  try {
    await client.unsafe('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.close();
  }
}
