import type { Room } from '../types/room.ts';

/** Sends a text to all who subscribe to a topic; where nobody does, it is not even rendered. */
export type Publish = (topic: string, render: () => string) => void;

/**
 * One topic per room and protocol: a frame is turned into text once for each. And one per user, for what
 * comes to all of the user's connections of protocol 1.
 */
export const topics = {
  basic: (room: string) => `0:${room}`,
  full: (room: string) => `1:${room}`,
  user: (id: number) => `u:${id}`,
};

/** To everyone in a room on protocol 1; of a direct room, to its people wherever they are. */
export function publishTo(
  { name, direct }: Room,
  publish: Publish,
  render: () => string,
  except?: number,
): void {
  const told = direct?.filter(({ id }) => id !== except).map(({ id }) => topics.user(id));
  for (const topic of told ?? [topics.full(name)]) publish(topic, render);
}
