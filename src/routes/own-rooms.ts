import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { guard } from '../plugins/auth.ts';
import type { AuthService } from '../services/auth.service.ts';
import { recipient } from '../services/message-reader.ts';
import type { ReadPositions } from '../services/read-positions.ts';
import { OwnRoomPage } from '../types/queries.ts';
import { OwnRoom, problemReplies, usual } from '../types/rest.ts';
import { nextLink } from './paging.ts';

export function ownRoomRoutes({
  auth,
  positions,
}: {
  auth: AuthService;
  positions: ReadPositions;
}) {
  return new Elysia({ name: 'own-rooms', tags: ['rooms'] }).use(guard(auth)).get(
    '/me/rooms',
    async ({ identity, query, request, set }) => {
      const { limit = 100, after } = query;
      const user = await auth.owner(identity, query);
      const found = await positions.rooms(user, { after, limit: limit + 1 });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      if (last && found.length > limit) {
        set.headers.link = nextLink(request.url, { after: last.room.name });
      }
      return page.map(({ room, ...position }) => ({
        name: room.name,
        topic: room.topic,
        private: room.isPrivate,
        ...recipient(room, user.id),
        epoch: room.epoch,
        ...position,
      }));
    },
    {
      query: OwnRoomPage,
      response: {
        200: Type.Array(OwnRoom),
        ...problemReplies(...usual),
      },
      detail: {
        summary: 'One’s rooms, direct ones too, and what is unread there',
        description:
          'Those where one has ever been, or is a member, in the order of their names; `Link` with `rel="next"` leads on. A direct room has the username of the other one as `to`.',
        security: [{ bearer: [] }],
      },
    },
  );
}
