import { join } from 'node:path';
import { freePort } from '../../test/support/free-port.ts';
import { during, startProgram, withFolder } from '../support.ts';
import { type Peer, programOf, versionOf } from './peer.ts';

const program = programOf('nats-server') ?? '';

/** NATS, with its own protocol over its listener for WebSocket. */
export const nats: Peer = {
  name: 'NATS',
  isStoring: false,
  reach: 1,
  dialect: 'nats',
  path: '/',
  missing: program ? undefined : 'nats-server',
  version: () => versionOf(program, '--version'),
  serve: (use) =>
    withFolder(async (folder) => {
      const port = await freePort();
      const file = join(folder, 'nats.conf');
      const websocket = `websocket { listen: "127.0.0.1:${port}", no_tls: true }`;
      await Bun.write(file, `listen: "127.0.0.1:${await freePort()}"\n${websocket}\n`);
      return during(startProgram([program, '-c', file], port), use);
    }),
};
