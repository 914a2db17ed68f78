import { ChatError } from '../../client/index.ts';
import type { Kept } from './kept.ts';
import { Session } from './session.ts';

/**
 * Connects and enters the room. Where the server cannot be reached for now, that is enough.
 *
 * @throws {ChatError} when the server refuses, with the server's code
 */
export async function enter(kept: Kept): Promise<Session> {
  const session = new Session(kept);
  const { chat, wire } = session;
  const room = session.room.value;
  // The close that follows an error says less than the error.
  let refusal: string | undefined;
  wire.watch(({ type, code }) => {
    if (type === 'error') refusal = code;
  });
  const ends: (() => void)[] = [];
  try {
    return await new Promise<Session>((done, fail) => {
      const look = () => {
        const { status } = chat;
        if (room.status.state === 'live' || status.state === 'reconnecting') return done(session);
        if (status.state === 'closed') {
          return fail(new ChatError((refusal ?? 'unauthorized') as 'unauthorized', status.reason));
        }
        if (room.status.state === 'failed') fail(room.status.error);
      };
      ends.push(chat.subscribe(look), room.subscribe(look));
      look();
    });
  } catch (error) {
    session.end();
    throw error;
  } finally {
    for (const end of ends) end();
  }
}
