import type { Bus } from '../bus/bus.ts';
import { ChatError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Limits } from '../limits/limits.ts';
import { checkData, checkEventName, parseRoomName } from '../protocol/checks.ts';
import { isAdmin, type Person } from '../protocol/identity.ts';
import type { Principal, Room } from '../protocol/room.ts';
import { isReserved, type RoomService } from '../rooms/room.service.ts';

/** An event that is shown and never stored. */
export interface EphemeralEvent {
  name: string;
  data?: unknown;
}

interface EphemeralEventsParts {
  rooms: RoomService;
  bus: Bus;
  limits: Limits;
  clock: Clock;
}

/** Shows events to the present readers of a room, without storing them. */
export class EphemeralEvents {
  constructor(private readonly parts: EphemeralEventsParts) {}

  /**
   * Broadcasts an event to a room by its name; for back ends and admins also to a public room that does not
   * exist yet.
   *
   * @throws {ChatError} the errors of {@link RoomService.authorize} and {@link broadcast}
   */
  async broadcastByName(principal: Principal, name: string, event: EphemeralEvent): Promise<void> {
    const access = await this.parts.rooms
      .authorize(principal, name, 'write')
      .catch((error: unknown) => {
        const isNotFound = error instanceof ChatError && error.code === 'not_found';
        if (isNotFound && isAdmin(principal.identity) && !isReserved(parseRoomName(name))) return;
        throw error;
      });
    await this.broadcast(principal, access?.room, event);
  }

  /**
   * Broadcasts an event to a room; it is counted like a message.
   *
   * @param room undefined for one that does not exist yet
   * @throws {ChatError} `invalid_frame`, `too_long`, `rate_limited`
   */
  async broadcast(
    principal: Principal,
    room: Room | undefined,
    { name, data }: EphemeralEvent,
  ): Promise<void> {
    checkEventName(name);
    checkData(data);
    await this.parts.limits.checkMessage(principal);
    if (!room) return;
    const username = principal.user && { username: principal.user.username };
    const timestamp = this.parts.clock.timestamp();
    this.parts.bus.publish({
      kind: 'ephemeral',
      room,
      frame: { type: 'event', room: room.name, ...username, name, data, timestamp },
    });
  }

  /** Shows the others in a room that a user is typing. */
  typing({ id, username }: Person, room: Room): void {
    const frame = { type: 'typing' as const, room: room.name, username };
    this.parts.bus.publish({ kind: 'ephemeral', room, frame, except: id });
  }
}
