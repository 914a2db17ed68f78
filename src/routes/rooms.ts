import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { guard } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import type { AuthService } from '../services/auth.service.ts';
import type { ChatService } from '../services/chat.service.ts';
import type { Described, RoomService } from '../services/room.service.ts';
import { checkSignedIn } from '../types/identity.ts';
import { RoomPage } from '../types/queries.ts';
import {
  Done,
  NewEvent,
  NewRoom,
  problemReplies,
  RoomChange,
  RoomInfo,
  usual,
} from '../types/rest.ts';
import { visitorOf } from '../types/room.ts';
import type { Presence } from '../ws/presence.ts';
import { nextLink } from './paging.ts';

const params = Type.Object({
  room: Type.String({ description: 'a room', examples: ['general'] }),
});
const security = [{ bearer: [] }];

export function roomRoutes(parts: {
  auth: AuthService;
  origins: Origins;
  chat: ChatService;
  rooms: RoomService;
  presence: Presence;
}) {
  const { auth, rooms, presence } = parts;
  const toInfo = ({ name, topic, isPrivate, owner, createdAt }: Described) => ({
    name,
    topic,
    private: isPrivate,
    owner,
    createdAt: createdAt.toISOString(),
    userCount: presence.count(name),
  });
  return new Elysia({ name: 'rooms', tags: ['rooms'] })
    .use(parts.origins)
    .use(guard(auth))
    .get(
      '/rooms',
      async ({ identity, query: { limit = 100, after }, request, set }) => {
        const found = await rooms.list(identity, { after, limit: limit + 1 });
        const page = found.slice(0, limit);
        const last = page.at(-1);
        if (last && found.length > limit) {
          set.headers.link = nextLink(request.url, { after: last.name });
        }
        return page.map(toInfo);
      },
      {
        query: RoomPage,
        response: {
          200: Type.Array(RoomInfo),
          ...problemReplies('rate_limited', 'invalid_frame', 'unauthorized'),
        },
        detail: {
          summary: 'The rooms that one may enter',
          description: 'In the order of their names; `Link` with `rel="next"` leads on.',
        },
      },
    )
    .post(
      '/rooms',
      async ({ identity, origin: { address }, body, set }) => {
        set.status = 201;
        return toInfo(await rooms.create({ identity, address }, body));
      },
      {
        parse: 'json',
        body: NewRoom,
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
        detail: {
          summary: 'Make a room of one’s own',
          description:
            'For accounts. A private room is for its members alone, and is not there for anyone else.',
          security,
        },
      },
    )
    .get(
      '/rooms/:room',
      async ({ identity, params: { room } }) => toInfo(await rooms.describe(identity, room)),
      {
        params,
        response: {
          200: RoomInfo,
          ...problemReplies(...usual),
        },
        detail: { summary: 'A room' },
      },
    )
    .patch(
      '/rooms/:room',
      async ({ identity, params: { room }, body }) =>
        toInfo(await rooms.change(identity, room, body)),
      {
        params,
        parse: 'json',
        body: RoomChange,
        response: {
          200: RoomInfo,
          ...problemReplies(...usual, 'conflict'),
        },
        detail: {
          summary: 'Change a room',
          description:
            'For its owner and admins. Who is in a room that becomes private, and is no member, is put out.',
          security,
        },
      },
    )
    .delete(
      '/rooms/:room',
      async ({ identity, params: { room } }) => {
        await rooms.remove(identity, room);
        return new Response(null, { status: 204 });
      },
      {
        params,
        response: {
          204: Done,
          ...problemReplies(...usual, 'conflict'),
        },
        detail: {
          summary: 'Delete a room and all that was said in it',
          description: 'For its owner and admins. Who is in it is put out.',
          security,
        },
      },
    )
    .post(
      '/rooms/:room/events',
      async ({ identity, origin: { address }, params: { room: name }, body }) => {
        checkSignedIn(identity);
        const visitor = { ...visitorOf(identity), address };
        const { room } = await rooms.visit(visitor, name, 'speak');
        await parts.chat.event(room, body, visitor);
        return new Response(null, { status: 204 });
      },
      {
        params,
        parse: 'json',
        body: NewEvent,
        response: {
          204: Done,
          ...problemReplies(...usual, 'too_long'),
        },
        detail: {
          summary: 'Show something to a room that is never stored',
          description:
            'Everyone in the room on protocol 1 or `/events` gets it now or never: prices, metrics, the state of a game. With `API_KEY` it is nobody’s in particular.',
          security,
        },
      },
    );
}
