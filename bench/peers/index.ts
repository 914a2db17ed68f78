import manifest from '../../package.json' with { type: 'json' };
import { during, SERVER_CORE, startServer, withDatabase, withPeer } from '../support.ts';
import { ejabberd } from './ejabberd.ts';
import { nats } from './nats.ts';
import { nchan } from './nchan.ts';
import { type Peer, programOf } from './peer.ts';

export type { Peer } from './peer.ts';

const node = programOf('node');
const missing = node ? undefined : 'node';
const { devDependencies, dependencies } = manifest;

const socketIo: Peer = {
  name: 'Socket.IO',
  isStoring: false,
  reach: 20,
  dialect: 'socket.io',
  path: '/socket.io/?EIO=4&transport=websocket',
  missing,
  version: () => devDependencies['socket.io'],
  serve: (use) => withPeer('socket-io.mjs', use),
};

const nodeWs: Peer = {
  name: 'Node `ws`',
  isStoring: false,
  reach: 15,
  dialect: 'json',
  path: '/',
  missing,
  version: () => devDependencies.ws,
  serve: (use) => withPeer('node-ws.mjs', use),
};

const twoQueries: Peer = {
  name: 'two queries a message',
  isStoring: true,
  reach: 40,
  dialect: 'json',
  path: '/',
  version: () => `with Drizzle ${dependencies['drizzle-orm']}`,
  serve: (use) =>
    withDatabase((url) => {
      const command = [process.execPath, 'bench/peers/two-queries.ts'];
      return during(startServer({ DATABASE_URL: url }, command, SERVER_CORE), use);
    }),
};

/** All servers whose deliveries are measured beside ours. */
export const peers: Peer[] = [nats, nchan, socketIo, nodeWs, ejabberd, twoQueries];
