import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { EphemeralEvents } from '../../chat/ephemeral-events.ts';
import type { Presence } from '../../live/presence.ts';
import { checkSignedIn } from '../../protocol/identity.ts';
import { problemReplies, usual } from '../../protocol/problems.ts';
import { Done, NewEvent, NewRoom, RoomInfo, RoomUpdate } from '../../protocol/rest.ts';
import { principalOf } from '../../protocol/room.ts';
import type { RoomDetails, RoomManager } from '../../rooms/room-manager.ts';
import type { AuthService } from '../../users/auth/auth.service.ts';
import { access, describe } from '../describe.ts';
import { json } from '../input.ts';
import { paginate } from '../paginate.ts';
import { guard } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import { RoomPage, RoomParams } from '../queries.ts';

export function roomRoutes(parts: {
  auth: AuthService;
  origins: Origins;
  events: EphemeralEvents;
  roomManager: RoomManager;
  presence: Presence;
}) {
  const { auth, roomManager: rooms, presence } = parts;
  const toInfo = (room: RoomDetails) => ({
    name: room.name,
    topic: room.topic,
    private: room.isPrivate,
    owner: room.owner,
    createdAt: room.createdAt.toISOString(),
    userCount: presence.count(room),
  });
  return new Elysia({ name: 'rooms', tags: ['rooms'] })
    .use(parts.origins)
    .use(guard(auth))
    .get(
      '/rooms',
      async ({ identity, query: { limit = 100, after }, request, set }) => {
        const found = await rooms.list(identity, { after, limit: limit + 1 });
        return paginate({ request, set }, found, limit, ({ name }) => ({ after: name })).map(
          toInfo,
        );
      },
      {
        query: RoomPage,
        response: {
          200: Type.Array(RoomInfo),
          ...problemReplies('rate_limited', 'invalid_frame', 'unauthorized', 'banned'),
        },
        detail: describe(
          'listRooms',
          'List the rooms',
          'Public rooms, and the private ones of the user, sorted by name. Paginated with `Link`.',
        ),
      },
    )
    .post(
      '/rooms',
      async ({ identity, origin: { address }, body, set }) => {
        set.status = 201;
        return toInfo(await rooms.create({ identity, address }, body));
      },
      {
        ...json(NewRoom),
        response: {
          201: RoomInfo,
          ...problemReplies(
            'rate_limited',
            'invalid_frame',
            'unauthorized',
            'forbidden',
            'conflict',
          ),
        },
        detail: describe(
          'createRoom',
          'Create a room',
          'For accounts, which own the rooms that they create. A private room is for its members only, and does not exist for other users. The first join creates a public room too, which has no owner.',
          access.token,
        ),
      },
    )
    .get(
      '/rooms/:room',
      async ({ identity, params: { room } }) => toInfo(await rooms.describe(identity, room)),
      {
        params: RoomParams,
        response: { 200: RoomInfo, ...problemReplies(...usual) },
        detail: describe(
          'getRoom',
          'Get a room',
          'Private rooms are 404 for other users than their members.',
        ),
      },
    )
    .patch(
      '/rooms/:room',
      async ({ identity, params: { room }, body }) =>
        toInfo(await rooms.update(identity, room, body)),
      {
        params: RoomParams,
        ...json(RoomUpdate),
        response: { 200: RoomInfo, ...problemReplies(...usual, 'conflict') },
        detail: describe(
          'updateRoom',
          'Change a room',
          'For its owner and admins. When a room becomes private, connections of users that are not members leave it at once.',
          access.token,
        ),
      },
    )
    .delete(
      '/rooms/:room',
      async ({ identity, params: { room } }) => {
        await rooms.remove(identity, room);
        return new Response(null, { status: 204 });
      },
      {
        params: RoomParams,
        response: { 204: Done, ...problemReplies(...usual, 'conflict') },
        detail: describe(
          'deleteRoom',
          'Delete a room',
          'For its owner and admins. All of its messages are deleted, and all connections leave it at once.',
          access.token,
        ),
      },
    )
    .post(
      '/rooms/:room/events',
      async ({ identity, origin: { address }, params: { room }, body }) => {
        checkSignedIn(identity);
        await parts.events.broadcastByName({ ...principalOf(identity), address }, room, body);
        return new Response(null, { status: 204 });
      },
      {
        params: RoomParams,
        ...json(NewEvent),
        response: { 204: Done, ...problemReplies(...usual, 'banned', 'muted', 'too_long') },
        detail: describe(
          'broadcastEvent',
          'Broadcast an ephemeral event',
          'Connections of protocol 1 and event streams in the room get it at once, and it is never stored: prices, metrics, the state of a game. With `API_KEY` it has no username. From `API_KEY` and admins it is also accepted for a public room that does not exist yet.',
          access.token,
        ),
      },
    );
}
