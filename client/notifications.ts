import type { Api } from './api.ts';
import { Emitter } from './emitter.ts';
import { background } from './lazy.ts';
import type { Notification } from './protocol.ts';

/**
 * The user's unread notifications: mentions, direct messages, notices of a back end. While somebody
 * subscribes, they are loaded with every connection.
 */
export class Notifications extends Emitter<{ change: undefined }> {
  /** The notifications, newest first, 100 at most. The same array until it changes. */
  items: readonly Notification[] = [];
  /** The number of unread notifications, those that are not in `items` included. */
  unread = 0;

  /** @internal */
  constructor(
    /** @internal */
    readonly host: { readonly api: Promise<Api>; listened(name: 'notification'): void },
    report: (error: unknown) => void,
  ) {
    super(report);
  }

  /** @internal */
  override listened(): void {
    this.host.listened('notification');
  }

  /** Loads the newest unread notifications. Rejects with a `ChatError`. */
  load(): Promise<void> {
    return background(({ loadNotifications }) => loadNotifications(this));
  }

  /** Marks a notification as read. Rejects with a `ChatError`. */
  read(id: number): Promise<void> {
    return background(({ readNotification }) => readNotification(this, id));
  }
}
