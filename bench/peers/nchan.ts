import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../test/support/free-port.ts';
import { during, startProgram, withFolder } from '../support.ts';
import { type Peer, programOf, versionOf } from './peer.ts';

const program = programOf('nginx') ?? '';
const module = '/usr/lib/nginx/modules/ngx_nchan_module.so';

/** Every connection is in the same channel, which keeps as many messages as the load can have outstanding. */
const config = (port: number, folder: string) => `
load_module ${module};
daemon off;
master_process off;
pid ${folder}/pid;
error_log ${folder}/log crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  nchan_shared_memory_size 256M;
  server {
    listen 127.0.0.1:${port};
    location / {
      nchan_pubsub websocket;
      nchan_channel_id bench;
      nchan_subscriber_first_message newest;
      nchan_message_buffer_length 2000;
      nchan_message_timeout 10s;
    }
  }
}
`;

/** Nchan, a module of nginx for pub/sub. */
export const nchan: Peer = {
  name: 'Nchan',
  isStoring: false,
  reach: 8,
  dialect: 'nchan',
  path: '/',
  missing: program && existsSync(module) ? undefined : 'nginx with libnginx-mod-nchan',
  version: () => `in nginx ${versionOf(program, '-v')}`,
  serve: (use) =>
    withFolder(async (folder) => {
      const port = await freePort();
      const file = join(folder, 'nginx.conf');
      await Bun.write(file, config(port, folder));
      const command = [program, '-c', file, '-p', folder, '-e', join(folder, 'log')];
      return during(startProgram(command, port), use);
    }),
};
