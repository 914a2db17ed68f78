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
import type { Personal, Reader } from './publisher.ts';

/** How many shown notifications are remembered, so that none is shown twice after a resync. */
const REMEMBERED = 10_000;

/** A user with connections here, within the scope of a token. */
interface Listener {
  reader: Reader;
  connections: number;
  /** The id of the newest notification that was shown; undefined during its look-up. */
  seen?: number;
}

/** Shows notifications and personal frames on all connections of their users in protocol 1. */
export class Notifier {
  /** By the ids of their users, and by their topics. */
  readonly #listeners = new Map<number, Map<string, Listener>>();
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

  /**
   * Registers a connection of a user, which is subscribed to the reader's topic.
   *
   * @param greet is called with the newest unread notification and the number of all, if there is any
   * @returns the function to be called when the connection is closed
   */
  open(reader: Reader, greet: (frame: string) => void): () => void {
    const { notifications, personal } = this.parts;
    const topic = personal.topicOf(reader);
    const listeners = this.#listeners.get(reader.id) ?? new Map<string, Listener>();
    this.#listeners.set(reader.id, listeners);
    const listener = listeners.get(topic) ?? { reader, connections: 0 };
    listeners.set(topic, listener);
    listener.connections += 1;
    notifications
      .newest(reader)
      .then((newest) => {
        listener.seen = Math.max(listener.seen ?? 0, newest?.notification.id ?? 0);
        if (newest) greet(toFrame(newest));
      })
      .catch((error) => this.#warn(error));
    return () => {
      listener.connections -= 1;
      if (listener.connections > 0) return;
      listeners.delete(topic);
      if (listeners.size === 0 && this.#listeners.get(reader.id) === listeners) {
        this.#listeners.delete(reader.id);
      }
    };
  }

  close(): void {
    this.#unsubscribe();
    this.#lookAgain.close();
  }

  async #deliver(notified: Notified): Promise<void> {
    const { notifications } = this.parts;
    const here = this.#here(notified.userIds && new Set(notified.userIds));
    try {
      for (const [scope, listeners] of byScope(here)) {
        const ids = listeners.map(({ reader }) => reader.id);
        this.#show(listeners, await notifications.pending(ids, notified, scope));
      }
    } catch (error) {
      // They are stored, and counted at the next connect.
      this.#warn(error);
    }
  }

  /** The listeners of some users, or all. */
  #here(userIds: Iterable<number> = this.#listeners.keys()): Listener[] {
    return [...userIds].flatMap((id) => [...(this.#listeners.get(id)?.values() ?? [])]);
  }

  /** Shows the notifications that the bus did not bring. */
  async #showMissed(): Promise<void> {
    for (const [scope, listeners] of byScope(this.#here())) {
      const users = listeners.flatMap(({ reader, seen }) =>
        seen === undefined ? [] : { userId: reader.id, seen },
      );
      this.#show(listeners, await this.parts.notifications.missed(users, scope));
    }
  }

  /** @param listeners one of each user */
  #show(listeners: Listener[], notices: PendingNotification[]): void {
    const { personal } = this.parts;
    const byUser = new Map(listeners.map((listener) => [listener.reader.id, listener]));
    for (const notice of notices) {
      const listener = byUser.get(notice.userId);
      if (!listener) continue;
      const { id } = notice.notification;
      const shown = `${personal.topicOf(listener.reader)} ${id}`;
      if (this.#shown.has(shown)) continue;
      this.#shown.set(shown, true);
      if (listener.seen !== undefined) listener.seen = Math.max(listener.seen, id);
      personal.toReader(listener.reader, () => toFrame(notice));
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
    const { scope } = listener.reader;
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
