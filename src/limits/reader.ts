import type { Keys } from '../lib/fair-queue.ts';
import type { Principal } from '../protocol/room.ts';
import { networkOf } from './address.ts';

/**
 * The keys by which the reads of a principal take turns: its network, and its account, which may come from many
 * networks. The name of a guest is anyone's, and whoever used it too could hold the guest up.
 */
export function readerOf({ identity, address = '' }: Principal): Keys {
  const network = networkOf(address);
  return identity.kind === 'user' ? [network, `user ${identity.user.id}`] : [network];
}
