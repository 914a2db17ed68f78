import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { ReadCursors } from '../../chat/read-cursors.ts';
import { readerOf } from '../../limits/limits.ts';
import { type Person, scopeOf } from '../../protocol/identity.ts';
import { problemReplies, usual } from '../../protocol/problems.ts';
import { OwnRoom } from '../../protocol/rest.ts';
import { partnerIn, type Room } from '../../protocol/room.ts';
import type { AuthService } from '../../users/auth/auth.service.ts';
import { describe } from '../describe.ts';
import { linkNext } from '../paginate.ts';
import { guard } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import { OwnRoomPage } from '../queries.ts';

export function ownRoomRoutes({
  auth,
  cursors,
  origins,
}: {
  auth: AuthService;
  cursors: ReadCursors;
  origins: Origins;
}) {
  return new Elysia({ name: 'own-rooms', tags: ['rooms'] })
    .use(origins)
    .use(guard(auth))
    .get(
      '/me/rooms',
      async ({ identity, origin, query, request, set }) => {
        const { limit = 100, after } = query;
        const user = await auth.requireUser(identity, query);
        const reader = readerOf({ identity, ...origin });
        const { rooms, more } = await cursors.rooms(
          user,
          { after, limit },
          scopeOf(identity),
          reader,
        );
        if (more) linkNext({ request, set }, { after: rooms.at(-1)?.room.name ?? '' });
        return rooms.map(({ room, ...cursor }) => ({
          name: room.name,
          topic: room.topic,
          private: room.isPrivate,
          ...withPartner(room, user),
          epoch: room.epoch,
          ...cursor,
        }));
      },
      {
        query: OwnRoomPage,
        response: { 200: Type.Array(OwnRoom), ...problemReplies(...usual) },
        detail: describe(
          'listMyRooms',
          'List my rooms with unread counts',
          'The rooms that the user has ever joined or is a member of, direct ones too, sorted by name. A direct room names the other person in `with`. Paginated with `Link`.',
        ),
      },
    );
}

function withPartner({ direct }: Room, user: Person): { with?: string } {
  const partner = direct && partnerIn(direct, user.id);
  return partner ? { with: partner.username } : {};
}
