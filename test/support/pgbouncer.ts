import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { own, rootless, selectOne } from './own-services.ts';
import { temporaryFolder } from './process.ts';
import { postgres, testWith } from './services.ts';

const pgbouncer = Bun.which('pgbouncer') ?? Bun.which('pgbouncer', { PATH: '/usr/sbin' });

export const hasPgBouncer = pgbouncer !== null;
export const testWithPgBouncer = testWith({ ...postgres, 'pgbouncer on the PATH': hasPgBouncer });

/** Fewer than the connections of a server, so that statements of one come to several sessions. */
const SESSIONS = 3;

/**
 * A PgBouncer in transaction mode on a free port, as one is set up by its manual.
 *
 * @param target a database
 */
export async function ownPgBouncer(target: string) {
  const { hostname, port: targetPort, username } = new URL(target);
  const port = await freePort();
  const folder = temporaryFolder();
  const file = join(folder, 'pgbouncer.ini');
  const config = `
[databases]
* = host=${hostname} port=${targetPort || 5432} user=${username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${SESSIONS}
`;
  writeFileSync(file, config, { mode: 0o644 });
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = `${port}`;
  const command = [...rootless(folder), pgbouncer ?? '', file];
  // A shutdown at once, without waiting for clients.
  return own(url.href, command, 'SIGTERM', () => selectOne(url.href));
}
