import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Glob, SQL } from 'bun';
import { freePort } from '../../test/support/free-port.ts';
import { during, startProgram, withDatabase, withFolder } from '../support.ts';
import { type Peer, programOf } from './peer.ts';

const program = programOf('erl') ?? '';
const schema = '/usr/share/ejabberd/sql/pg.sql';
const libraries = '/usr/lib/x86_64-linux-gnu';
const [version] = existsSync(libraries)
  ? [...new Glob('ejabberd-*').scanSync({ cwd: libraries, onlyFiles: false })].sort()
  : [];

/** Rooms whose archive is in Postgres, and no limits. */
const config = (port: number, { hostname, pathname, username, port: sqlPort }: URL) => `
hosts: [localhost]
loglevel: none
auth_method: [anonymous]
anonymous_protocol: sasl_anon
default_db: sql
sql_type: pgsql
sql_server: "${hostname}"
sql_port: ${sqlPort || 5432}
sql_database: "${pathname.slice(1)}"
sql_username: "${username}"
sql_password: ""
max_fsm_queue: 100000
listen:
  - port: ${port}
    ip: "127.0.0.1"
    module: ejabberd_http
    request_handlers:
      /ws: ejabberd_http_ws
modules:
  mod_mam: {}
  mod_muc:
    max_users: 2000
    min_message_interval: 0
    default_room_options: { mam: true, persistent: false }
`;

/** ejabberd: XMPP over WebSocket, a room that archives each message before it shows it. */
export const ejabberd: Peer = {
  name: 'ejabberd',
  isStoring: true,
  reach: 5,
  dialect: 'xmpp',
  path: '/ws',
  missing: program && version && existsSync(schema) ? undefined : 'ejabberd with its SQL schema',
  version: () => version?.replace('ejabberd-', '') ?? '',
  serve: (use) =>
    withFolder((folder) =>
      withDatabase(async (url) => {
        const client = new SQL(url, { max: 1 });
        await client.file(schema);
        await client.close();
        const port = await freePort();
        const file = join(folder, 'ejabberd.yml');
        await Bun.write(file, config(port, new URL(url)));
        const command = [program, '-noinput', '-mnesia', 'dir', `"${folder}"`, '-s', 'ejabberd'];
        const env = { ERL_LIBS: libraries, EJABBERD_CONFIG_PATH: file, HOME: folder };
        return during(startProgram(command, port, env), use);
      }),
    ),
};
