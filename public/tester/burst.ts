import type { Room } from '../../client/index.ts';
import { t } from './i18n.ts';

/** How often messages are sent, in milliseconds. */
const TICK_MS = 20;

/** Sends many messages, at a rate or at once, and counts what becomes of them. */
export class Burst {
  sent = 0;
  acked = 0;
  failed = 0;
  #startedAt = 0;
  #lastAckAt = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  get isRunning(): boolean {
    return this.#timer !== undefined;
  }

  /** Acks a second. */
  get perSecond(): number {
    const seconds = (this.#lastAckAt - this.#startedAt) / 1000;
    return seconds > 0 ? Math.round(this.acked / seconds) : 0;
  }

  /** @param rate a second; 0 is at once */
  start(room: Room, { total, rate }: { total: number; rate: number }): void {
    this.stop();
    this.sent = this.acked = this.failed = 0;
    this.#startedAt = this.#lastAckAt = performance.now();
    this.#timer = setInterval(() => {
      const elapsed = performance.now() - this.#startedAt;
      const due = rate ? Math.min(total, Math.floor((elapsed * rate) / 1000)) : total;
      while (this.sent < due) this.#send(room);
      if (this.sent >= total) this.stop();
    }, TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #send(room: Room): void {
    const content = t('testMessage', { n: ++this.sent });
    room.send({ content, data: { sentAt: Date.now() } }).then(
      () => {
        this.acked++;
        this.#lastAckAt = performance.now();
      },
      () => {
        this.failed++;
      },
    );
  }
}
