import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { UserService } from '../services/user.service.ts';
import { ActiveUserPage, NewUser, problemReplies, User, UserStatus } from '../types/rest.ts';
import { parseRoomName } from '../types/text.ts';
import type { Presence } from '../ws/presence.ts';
import { nextLink } from './paging.ts';

export function userRoutes({ users, presence }: { users: UserService; presence: Presence }) {
  return new Elysia({ name: 'users', tags: ['users'] })
    .get(
      '/users/active',
      ({ query: { room, limit = 1000, after }, request, set }) => {
        const active = presence.usernames(room === undefined ? undefined : parseRoomName(room));
        const rest = after === undefined ? active : active.filter((name) => name > after);
        const page = rest.slice(0, limit);
        const last = page.at(-1);
        if (last !== undefined && rest.length > limit) {
          set.headers.link = nextLink(request.url, { after: last });
        }
        return page;
      },
      {
        query: ActiveUserPage,
        response: {
          200: Type.Array(Type.String(), { examples: [['ana', 'ben']] }),
          ...problemReplies('invalid_frame'),
        },
        detail: {
          summary: 'Who is here',
          description:
            'The users with an open connection in the room, or in any room, in the order of their names. Who was cut off counts for `PRESENCE_GRACE` seconds more.',
        },
      },
    )
    .post(
      '/users',
      async ({ body: { username }, set }) => {
        const { user, created } = await users.findOrCreate(username);
        set.status = created ? 201 : 200;
        return user;
      },
      {
        parse: 'json',
        body: NewUser,
        response: { 200: User, 201: User, ...problemReplies('invalid_frame') },
        detail: {
          summary: 'Make a user, or find the one of that name',
          description: '201 when it is new, 200 when it was there.',
        },
      },
    )
    .get(
      '/users/:username',
      async ({ params }) => {
        const { id, username, lastSeen } = await users.find(params.username);
        return { username, lastSeen, online: presence.isOnline(id) };
      },
      {
        params: Type.Object({
          username: Type.String({ description: 'a name', examples: ['ana'] }),
        }),
        response: { 200: UserStatus, ...problemReplies('invalid_frame', 'not_found') },
        detail: { summary: 'Whether a user is here, and when last' },
      },
    );
}
