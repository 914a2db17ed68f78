import type { ChatClient, Notification } from '../../client/index.ts';

/** Notifications that the user has not read. Reading a room reads those of its messages, which nobody tells. */
export function waitingOf({ rooms, notifications: { items } }: ChatClient): Notification[] {
  return items.filter(({ room: name, message }) => {
    const room = rooms.find((one) => one.name === name);
    return !room || !message || message.seq > room.lastRead;
  });
}

/** How many there are, those that are not here included. */
export function waitingCount(chat: ChatClient): number {
  const { items, unread } = chat.notifications;
  return unread > items.length ? unread : waitingOf(chat).length;
}
