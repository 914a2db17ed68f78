import type { Bus, Notified } from '../bus/bus.ts';
import type { Clock } from '../lib/clock.ts';
import { LruMap } from '../lib/lru-map.ts';
import { RetryLoop } from '../lib/retry.ts';
import { rootMessage } from '../lib/root-cause.ts';
import type { Logger } from '../log.ts';
import type {
  NotificationService,
  PendingNotification,
} from '../notifications/notification.service.ts';
import { encode } from './encode.ts';
import type { Listener, Personal, Reader } from './publisher.ts';

/** How many shown notifications are remembered, so that none is shown twice after a resync. */
const REMEMBERED = 10_000;

/** Shows notifications and personal frames on all connections of their users in protocol 1. */
export class Notifier {
  /** By topic and id. */
  readonly #shown = new LruMap<string, true>(REMEMBERED);
  readonly #lookAgain: RetryLoop;
  readonly #unsubscribe: () => void;

  constructor(
    private readonly parts: {
      notifications: NotificationService;
      personal: Personal;
      clock: Clock;
      log: Logger;
      bus: Bus;
    },
  ) {
    this.#lookAgain = new RetryLoop({
      ...parts,
      name: 'looking for notifications',
      work: () => this.#showMissed(),
    });
    this.#unsubscribe = parts.bus.subscribe({
      notified: ({ notified }) => void this.#deliver(notified),
      'server.lost': () => this.#lookAgain.trigger(),
      resync: ({ roomIds }) => {
        if (!roomIds) this.#lookAgain.trigger();
      },
      personal: ({ userIds, frame }) => {
        const text = encode(frame);
        for (const id of userIds) parts.personal.toUser(id, frame.room, () => text);
      },
    });
  }

  /** Calls `greet` with the newest unread notification of a reader and the number of all, if there is any. */
  greet(listener: Listener, greet: (frame: string) => void): void {
    this.parts.notifications
      .newest(listener)
      .then((newest) => {
        listener.seen = Math.max(listener.seen ?? 0, newest?.notification.id ?? 0);
        if (newest) greet(toFrame(newest));
      })
      .catch((error) => this.#warn(error));
  }

  close(): void {
    this.#unsubscribe();
    this.#lookAgain.close();
  }

  async #deliver(notified: Notified): Promise<void> {
    const { notifications, personal } = this.parts;
    const here = personal.of(notified.userIds && new Set(notified.userIds));
    try {
      for (const [scope, listeners] of byScope(here)) {
        const ids = listeners.map(({ id }) => id);
        this.#show(listeners, await notifications.pending(ids, notified, scope));
      }
    } catch (error) {
      // They are stored, and counted at the next connect.
      this.#warn(error);
    }
  }

  /** Shows the notifications that the bus did not bring. */
  async #showMissed(): Promise<void> {
    const { notifications, personal } = this.parts;
    for (const [scope, listeners] of byScope(personal.of())) {
      const users = listeners.flatMap(({ id, seen }) =>
        seen === undefined ? [] : { userId: id, seen },
      );
      this.#show(listeners, await notifications.missed(users, scope));
    }
  }

  /** @param listeners one of each user */
  #show(listeners: Listener[], notices: PendingNotification[]): void {
    const { personal } = this.parts;
    const byUser = new Map(listeners.map((listener) => [listener.id, listener]));
    for (const notice of notices) {
      const listener = byUser.get(notice.userId);
      if (!listener) continue;
      const { id } = notice.notification;
      const shown = `${listener.topic} ${id}`;
      if (this.#shown.has(shown)) continue;
      this.#shown.set(shown, true);
      if (listener.seen !== undefined) listener.seen = Math.max(listener.seen, id);
      personal.toListener(listener, () => toFrame(notice));
    }
  }

  #warn(error: unknown): void {
    this.parts.log.warn({ reason: rootMessage(error) }, 'showing notifications failed');
  }
}

/** Groups listeners by scope: those without limits together, and the few others each by its own. */
function byScope(listeners: Listener[]): [Reader['scope'], Listener[]][] {
  const groups = new Map<string, [Reader['scope'], Listener[]]>();
  for (const listener of listeners) {
    const { scope } = listener;
    const key = JSON.stringify(scope ?? null);
    const group = groups.get(key);
    if (group) group[1].push(listener);
    else groups.set(key, [scope, [listener]]);
  }
  return [...groups.values()];
}

function toFrame({ unread, notification }: PendingNotification): string {
  return encode({ type: 'notification', ...notification, unread });
}
