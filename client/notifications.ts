import type { Api } from './api.ts';
import { Emitter } from './emitter.ts';
import { ambient } from './lazy.ts';
import type { Notification } from './protocol.ts';

/**
 * What waits for the user in any room: mentions, direct messages, notices of a back end. While somebody
 * subscribes they are loaded with every connection.
 */
export class Notifications extends Emitter<{ change: undefined }> {
  /** Newest first, 100 at most: those that came, and those that were loaded. A new array only when it changed. */
  items: readonly Notification[] = [];
  /** How many the user has not read, here or not. */
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

  /** Loads the newest that are not read. Rejects with a `ChatError`. */
  load(): Promise<void> {
    return ambient(({ loadNotifications }) => loadNotifications(this));
  }

  /** Has read one. Rejects with a `ChatError`. */
  read(id: number): Promise<void> {
    return ambient(({ readNotification }) => readNotification(this, id));
  }
}
