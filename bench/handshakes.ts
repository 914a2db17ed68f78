/**
 * Refused handshakes on new connections, 6,000 a second: the delay in a chat meanwhile. Bare `Bun.serve`, which
 * refuses each of them unread, is the lower bound.
 */
import { delays, delaysDuring } from './chat-delays.ts';
import { atMost, BARE, type Result } from './result.ts';
import { inTurns, type Scale, type Server, withFolder, withPeer, withServer } from './support.ts';

export async function handshakes({ rounds, seconds }: Scale): Promise<Result[]> {
  const amid = async (server: Server, path: string) =>
    (await delaysDuring('ws', server, path, seconds)).p99;
  const ms = await withFolder((folder) =>
    withServer({ DATA_DIR: folder }, (server) =>
      inTurns(rounds, {
        calm: async () => (await delays(`${server.ws}/ws`, seconds)).p99,
        amid: () => amid(server, '/ws'),
        bare: () => withPeer('bare.ts', (peer) => amid(peer, '/')),
      }),
    ),
  );
  const result = {
    what: 'ms, 99 %, in a room of 20, amid 6,000 refused handshakes/s',
    value: ms.amid,
  };
  return [
    { ...result, peer: ms.bare, peerName: BARE, aim: atMost(30, 'ms') },
    { ...result, peer: ms.calm, peerName: 'the same without them', aim: '' },
  ];
}
