import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { ChatError } from '../errors.ts';
import { credentialOf, guard } from '../plugins/auth.ts';
import type { AuthService } from '../services/auth.service.ts';
import type { RoomService } from '../services/room.service.ts';
import type { UserService } from '../services/user.service.ts';
import { ActiveUserPage } from '../types/queries.ts';
import { Done, NewUser, problemReplies, User, UserStatus, usual } from '../types/rest.ts';
import { visitorOf } from '../types/room.ts';
import type { Presence } from '../ws/presence.ts';
import { nextLink } from './paging.ts';

const params = Type.Object({
  username: Type.String({ description: 'a name', examples: ['ana'] }),
});

const banReplies = {
  204: Done,
  ...problemReplies(...usual),
};

export function userRoutes(parts: {
  auth: AuthService;
  users: UserService;
  rooms: RoomService;
  presence: Presence;
}) {
  const { auth, users, rooms, presence } = parts;
  return (
    new Elysia({ name: 'users', tags: ['users'] })
      // Before the guard: who registers with a password cannot have a token yet.
      .post(
        '/users',
        async ({ body: { username, password }, headers, set }) => {
          if (password !== undefined) {
            set.status = 201;
            return auth.register(username, password);
          }
          await auth.admit(credentialOf(headers));
          const { user, created } = await users.findOrCreateGuest(username);
          set.status = created ? 201 : 200;
          return user;
        },
        {
          parse: 'json',
          body: NewUser,
          response: {
            200: User,
            201: User,
            ...problemReplies(
              'rate_limited',
              'invalid_frame',
              'unauthorized',
              'banned',
              'name_taken',
              'overloaded',
            ),
          },
          detail: {
            summary: 'Make a user, or find the guest of that name',
            description:
              'Without a password a guest: 201 when it is new, 200 when it was there. With one an account, of a new name or of a guest’s, whose connections then close with 4401. 409 when the name is an account.',
            security: [{}],
          },
        },
      )
      .use(guard(auth))
      .get(
        '/users/active',
        async ({ identity, query: { room: name, limit = 1000, after }, request, set }) => {
          // In a room that is not there, or not for whoever asks, there is nobody.
          const visited =
            name === undefined
              ? undefined
              : await rooms.visit(visitorOf(identity), name).catch(ifNotFound);
          const active = visited === null ? [] : presence.usernames(visited?.room.name);
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
            ...problemReplies('rate_limited', 'invalid_frame', 'unauthorized', 'forbidden'),
          },
          detail: {
            summary: 'Who is here',
            description:
              'The users with an open connection in the room, or in any room, in the order of their names. Who was cut off counts for `PRESENCE_GRACE` seconds more.',
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
          params,
          response: {
            200: UserStatus,
            ...problemReplies('rate_limited', 'invalid_frame', 'unauthorized', 'not_found'),
          },
          detail: { summary: 'Whether a user is here, and when last' },
        },
      )
      .put(
        '/users/:username/ban',
        async ({ identity, params }) => {
          await auth.setBan(identity, params.username, true);
          return new Response(null, { status: 204 });
        },
        {
          params,
          response: banReplies,
          detail: {
            summary: 'Shut a user out of the server',
            description: 'For admins. Its open connections close with 4403.',
            security: [{ bearer: [] }],
          },
        },
      )
      .delete(
        '/users/:username/ban',
        async ({ identity, params }) => {
          await auth.setBan(identity, params.username, false);
          return new Response(null, { status: 204 });
        },
        {
          params,
          response: banReplies,
          detail: {
            summary: 'Let a user in again',
            description: 'For admins.',
            security: [{ bearer: [] }],
          },
        },
      )
  );
}

function ifNotFound(error: unknown): null {
  if (error instanceof ChatError && error.code === 'not_found') return null;
  throw error;
}
