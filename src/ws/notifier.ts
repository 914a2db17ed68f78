import type { Bus, Notified } from '../bus/bus.ts';
import { rootMessage } from '../db/failures.ts';
import type { Logger } from '../log.ts';
import type { Notice, NotificationService } from '../services/notification.service.ts';
import { Persistent } from '../services/persistent.ts';
import type { Person } from '../types/identity.ts';
import { encode } from './frames.ts';
import { type Publish, topics } from './topics.ts';

/** How many of those that were shown are remembered, so that none is shown twice after a doubt. */
const REMEMBERED = 10_000;

/** Someone who is here. */
interface Listener {
  connections: number;
  /** The id of the newest notification that the user has seen; undefined while it is looked up. */
  seen?: number;
}

/** Brings what is for users rather than for rooms to all of their connections of protocol 1. */
export class Notifier {
  readonly #listening = new Map<number, Listener>();
  readonly #shown = new Set<number>();
  readonly #lookAgain: Persistent;
  readonly #unsubscribe: () => void;

  constructor(
    private readonly parts: {
      notifications: NotificationService;
      publish: Publish;
      log: Logger;
    },
    bus: Bus,
  ) {
    this.#lookAgain = new Persistent(
      'looking for notifications',
      () => this.#showMissed(),
      parts.log,
    );
    this.#unsubscribe = bus.subscribe((event) => {
      if (event.kind === 'notified') void this.#deliver(event.notified);
      if (event.kind === 'lost' || (event.kind === 'doubt' && !event.rooms)) this.#lookAgain.ask();
      if (event.kind !== 'personal') return;
      const text = encode(event.frame);
      for (const id of event.userIds) parts.publish(topics.user(id), () => text);
    });
  }

  /**
   * A connection of a user is there, and subscribed to the user's topic.
   *
   * @param greet is given the newest notification that waits, with the number of all, if there is any
   * @returns the function to be called when the connection is gone
   */
  open(user: Person, greet: (frame: string) => void): () => void {
    const listener = this.#listening.get(user.id) ?? { connections: 0 };
    this.#listening.set(user.id, listener);
    listener.connections += 1;
    this.parts.notifications
      .newest(user)
      .then((newest) => {
        listener.seen = Math.max(listener.seen ?? 0, newest?.notification.id ?? 0);
        if (newest) greet(toFrame(newest));
      })
      .catch((error) => this.#warn(error));
    return () => {
      listener.connections -= 1;
      if (listener.connections === 0) this.#listening.delete(user.id);
    };
  }

  close(): void {
    this.#unsubscribe();
    this.#lookAgain.close();
  }

  async #deliver(notified: Notified): Promise<void> {
    const asked = notified.userIds ?? [...this.#listening.keys()];
    const here = asked.filter((id) => this.#listening.has(id));
    try {
      this.#show(await this.parts.notifications.pending(here, notified));
    } catch (error) {
      // They are stored, and counted at the next connect.
      this.#warn(error);
    }
  }

  /** What the bus did not bring. */
  async #showMissed(): Promise<void> {
    const users = [...this.#listening].flatMap(([userId, { seen }]) =>
      seen === undefined ? [] : { userId, seen },
    );
    this.#show(await this.parts.notifications.missed(users));
  }

  #show(notices: Notice[]): void {
    for (const notice of notices) {
      const { id } = notice.notification;
      if (this.#shown.has(id)) continue;
      this.#shown.add(id);
      const listener = this.#listening.get(notice.userId);
      if (listener?.seen !== undefined) listener.seen = Math.max(listener.seen, id);
      this.parts.publish(topics.user(notice.userId), () => toFrame(notice));
    }
    for (const oldest of this.#shown) {
      if (this.#shown.size <= REMEMBERED) break;
      this.#shown.delete(oldest);
    }
  }

  #warn(error: unknown): void {
    this.parts.log.warn({ reason: rootMessage(error) }, 'showing notifications failed');
  }
}

function toFrame({ unread, notification }: Notice): string {
  return encode({ type: 'notification', ...notification, unread });
}
