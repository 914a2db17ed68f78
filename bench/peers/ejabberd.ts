import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Glob } from 'bun';
import { freePort } from '../../test/support/free-port.ts';
import { during, startProgram, withFolder } from '../support.ts';
import { type Peer, programOf } from './peer.ts';

const program = programOf('erl') ?? '';
const libraries = '/usr/lib/x86_64-linux-gnu';
const [version] = existsSync(libraries)
  ? [...new Glob('ejabberd-*').scanSync({ cwd: libraries, onlyFiles: false })].sort()
  : [];

/**
 * Rooms with an archive, and no limits. The archive is in Mnesia, as it is by default: with Postgres each message
 * takes ejabberd some 50 ms here, one after the other.
 */
const config = (port: number) => `
hosts: [localhost]
loglevel: none
auth_method: [anonymous]
anonymous_protocol: sasl_anon
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
  missing: program && version ? undefined : 'ejabberd',
  version: () => version?.replace('ejabberd-', '') ?? '',
  serve: (use) =>
    withFolder(async (folder) => {
      const port = await freePort();
      const file = join(folder, 'ejabberd.yml');
      await Bun.write(file, config(port));
      const command = [program, '-noinput', '-mnesia', 'dir', `"${folder}"`, '-s', 'ejabberd'];
      const env = { ERL_LIBS: libraries, EJABBERD_CONFIG_PATH: file, HOME: folder };
      return during(startProgram(command, port, env), use);
    }),
};
