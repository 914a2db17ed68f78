import type { Bus } from '../bus/bus.ts';
import type { MessageReader } from '../chat/reader.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../log.ts';
import type { NotificationService } from '../notifications/notification.service.ts';
import type { RoomSnapshots } from '../rooms/snapshots.ts';
import type { LastSeen } from '../users/last-seen.ts';
import { Announcer } from './announcer.ts';
import { Hub } from './hub.ts';
import { LocalPresence } from './local-presence.ts';
import { Notifier } from './notifier.ts';
import { Presence } from './presence.ts';
import { type Listener, Personal, type Publish, type Reader } from './publisher.ts';

export interface LiveParts {
  messages: MessageReader;
  snapshots: RoomSnapshots;
  notifications: NotificationService;
  lastSeen: LastSeen;
  bus: Bus;
  publish: Publish;
  clock: Clock;
  log: Logger;
}

/** A connection that gets the frames of its user. */
interface Socket {
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
}

/** How long a start waits for the snapshots of other servers, in milliseconds. */
const GREETING_MS = 1000;

/** The live core that all doors share: open rooms, presence and notifications. */
export class Live {
  readonly hub: Hub;
  readonly #personal: Personal;
  readonly notifier: Notifier;
  /** The users on this server; the doors report their connections to it. */
  readonly local: LocalPresence;
  /** The users on all servers. */
  readonly presence: Presence;

  /** @param settings `presenceGrace`: seconds that a dropped user stays present */
  constructor(
    private readonly parts: LiveParts,
    { presenceGrace }: { presenceGrace: number },
  ) {
    const { bus, lastSeen, clock } = parts;
    const { server } = bus;
    const announcer = new Announcer(parts);
    this.#personal = new Personal(parts.publish);
    const all = { ...parts, personal: this.#personal };
    this.hub = new Hub(all);
    this.notifier = new Notifier(all);
    const grace = presenceGrace;
    this.local = new LocalPresence({
      clock,
      grace,
      events: {
        onEnter: (room, person) => bus.publish({ kind: 'presence.entered', server, room, person }),
        onLeave: (room, person) => bus.publish({ kind: 'presence.left', server, room, person }),
        onSeen: ({ id }, at) => lastSeen.note(id, at),
      },
    });
    this.presence = new Presence({
      bus,
      clock,
      local: () => this.local.all(),
      grace,
      events: {
        onEnter: (room, { username }) =>
          announcer.joined(room, username, this.presence.count(room)),
        onLeave: (room, { username }) =>
          announcer.left(room, username, this.presence.count(room) + 1),
        onLost: ({ id }, at) => lastSeen.note(id, at),
      },
    });
  }

  /**
   * Registers a connection, which gets the frames of its user that its token allows.
   *
   * @param greet is called with the newest unread notification and the number of all, if there is any
   * @returns the listener to be passed to {@link unlisten}
   */
  listen(reader: Reader, socket: Socket, greet: (frame: string) => void): Listener {
    const listener = this.#personal.listen(reader);
    socket.subscribe(listener.topic);
    this.notifier.greet(listener, greet);
    this.hub.direct.listen(reader.id);
    return listener;
  }

  /** To be called once, when the connection is closed or gets another token. */
  unlisten(listener: Listener, socket: Socket): void {
    socket.unsubscribe(listener.topic);
    this.#personal.unlisten(listener);
    this.hub.direct.unlisten(listener.id);
  }

  /** Returns when the users on these servers are known, or after a second. */
  async greet(servers: string[]): Promise<void> {
    await Promise.race([this.presence.complete(servers), this.parts.clock.sleep(GREETING_MS)]);
  }

  /** To be called when all connections are closed. */
  close(): void {
    this.local.close();
    this.presence.close();
    this.hub.close();
    this.notifier.close();
    // For the other servers, the users here have lost their connection but have not left.
    this.parts.bus.publish({ kind: 'server.lost', server: this.parts.bus.server, silent: 0 });
  }
}
