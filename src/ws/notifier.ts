import type { Bus, Notified } from '../bus/bus.ts';
import { rootMessage } from '../db/failures.ts';
import type { Logger } from '../log.ts';
import type { Notice, NotificationService } from '../services/notification.service.ts';
import type { Person } from '../types/identity.ts';
import { encode } from './frames.ts';
import { type Publish, topics } from './topics.ts';

/** Brings what is for users rather than for rooms to all of their connections of protocol 1. */
export class Notifier {
  /** How many connections each user has here. */
  readonly #listening = new Map<number, number>();
  readonly #unsubscribe: () => void;

  constructor(
    private readonly parts: {
      notifications: NotificationService;
      publish: Publish;
      log: Logger;
    },
    bus: Bus,
  ) {
    this.#unsubscribe = bus.subscribe((event) => {
      if (event.kind === 'notified') void this.#deliver(event.notified);
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
    this.#listening.set(user.id, (this.#listening.get(user.id) ?? 0) + 1);
    this.parts.notifications
      .newest(user)
      .then((newest) => newest && greet(toFrame(newest)))
      .catch((error) => this.#warn(error));
    return () => {
      const left = (this.#listening.get(user.id) ?? 1) - 1;
      if (left > 0) this.#listening.set(user.id, left);
      else this.#listening.delete(user.id);
    };
  }

  close(): void {
    this.#unsubscribe();
  }

  async #deliver(notified: Notified): Promise<void> {
    const asked = notified.userIds ?? [...this.#listening.keys()];
    const here = asked.filter((id) => this.#listening.has(id));
    try {
      const notices = await this.parts.notifications.pending(here, notified);
      for (const notice of notices) {
        this.parts.publish(topics.user(notice.userId), () => toFrame(notice));
      }
    } catch (error) {
      // They are stored, and counted at the next connect.
      this.#warn(error);
    }
  }

  #warn(error: unknown): void {
    this.parts.log.warn({ reason: rootMessage(error) }, 'showing notifications failed');
  }
}

function toFrame({ unread, notification }: Notice): string {
  return encode({ type: 'notification', ...notification, unread });
}
