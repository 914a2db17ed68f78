import type { Client } from './client.ts';
import { fresh, type TestServer } from './server.ts';

/** Two connections of one user and one of another, all in one room of their own. */
export async function threeClients(server: TestServer) {
  const [ana, ben, room] = [fresh('ana'), fresh('ben'), fresh('room')];
  const phone = await server.enter(ana, room);
  const laptop = await server.enter(ana, room);
  const other = await server.enter(ben, room);
  const everyone = [phone, laptop, other];
  return { ana, ben, room, phone, laptop, other, everyone };
}

/** Posts a message. @returns its id, once everyone has it */
export async function say(from: Client, everyone: Client[], more: object = {}): Promise<number> {
  from.send({ type: 'message', content: 'hello', ...more });
  const shown = await Promise.all(everyone.map((client) => client.untilType('message')));
  return shown[0]?.id as number;
}

/** The next `update` of each client. */
export const updates = (clients: Client[]) =>
  Promise.all(clients.map((each) => each.untilType('update')));
