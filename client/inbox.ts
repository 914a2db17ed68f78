import type { Notifications } from './notifications.ts';
import type { Notification } from './protocol.ts';
import { quiet } from './quiet.ts';

/** The most notifications that are kept. */
const MAX_NOTIFICATIONS = 100;
/** The most notifications that the server returns at once. */
const NOTIFICATIONS_PAGE = 50;

/** Adds notifications, each once. */
export function notified(to: Notifications, more: Notification[], unread: number): void {
  const byId = new Map([...to.items, ...more].map((item) => [item.id, item]));
  to.items = [...byId.values()].sort((a, b) => b.id - a.id).slice(0, MAX_NOTIFICATIONS);
  to.unread = unread;
  to.changed();
}

/** Loads the newest unread notifications. */
export function loadNotifications(to: Notifications): Promise<void> {
  const load = async () => {
    const before = new Set(to.items);
    const items = await (await to.host.api).notifications();
    const isAll = items.length < NOTIFICATIONS_PAGE;
    // Those that are missing were read elsewhere.
    if (isAll) to.items = to.items.filter((item) => !before.has(item));
    notified(to, items, Math.max(to.unread, items.length));
    if (isAll) to.unread = to.items.length;
  };
  return quiet(load());
}

/** Marks a notification as read. */
export function readNotification(to: Notifications, id: number): Promise<void> {
  const read = async () => {
    await (await to.host.api).readNotification(id);
    const items = to.items.filter((item) => item.id !== id);
    to.unread -= to.items.length - items.length;
    to.items = items;
    to.changed();
  };
  return quiet(read());
}
