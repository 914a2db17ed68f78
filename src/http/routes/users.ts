import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { ChatError } from '../../errors.ts';
import type { Presence } from '../../live/presence.ts';
import { scopeOf } from '../../protocol/identity.ts';
import { problemReplies, usual } from '../../protocol/problems.ts';
import { Done, NewUser, User, UserStatus } from '../../protocol/rest.ts';
import { principalOf } from '../../protocol/room.ts';
import type { RoomService } from '../../rooms/room.service.ts';
import type { AccountService } from '../../users/auth/account.service.ts';
import type { AuthService } from '../../users/auth/auth.service.ts';
import type { UserService } from '../../users/user.service.ts';
import { access, describe } from '../describe.ts';
import { json } from '../input.ts';
import { paginate } from '../paginate.ts';
import { credentialOf, guard } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import { ActiveUserPage, UserParams } from '../queries.ts';

const banReplies = { 204: Done, ...problemReplies(...usual) };

export function userRoutes(parts: {
  auth: AuthService;
  accounts: AccountService;
  origins: Origins;
  users: UserService;
  rooms: RoomService;
  presence: Presence;
}) {
  const { auth, accounts, users, rooms, presence } = parts;
  return (
    new Elysia({ name: 'users', tags: ['users'] })
      .use(parts.origins)
      // Before the guard, since clients that register have no token yet.
      .post(
        '/users',
        async ({ body: { username, password }, headers, origin: { address }, set }) => {
          if (password !== undefined) {
            set.status = 201;
            return accounts.register(username, password, address);
          }
          await auth.admit(credentialOf(headers));
          const { user, created } = await users.findOrCreateGuest(username);
          set.status = created ? 201 : 200;
          return user;
        },
        {
          ...json(NewUser),
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
          detail: describe(
            'createUser',
            'Create a user',
            'Without a password a guest: 201 when the name is new, 200 and the guest when it exists. With a password an account, of a new name or of a guest’s, whose connections then close with 4401. 409 when the name belongs to an account.',
          ),
        },
      )
      .use(guard(auth))
      .get(
        '/users/active',
        async ({ identity, query: { room: name, limit = 1000, after }, request, set }) => {
          // A room that does not exist, or that the user may not see, is empty.
          const visited =
            name === undefined
              ? undefined
              : await rooms.authorize(principalOf(identity), name).catch(ifNotFound);
          const scope = scopeOf(identity);
          const active = visited === null ? [] : presence.usernames(scope, visited?.room);
          const rest = after === undefined ? active : active.filter((name) => name > after);
          return paginate({ request, set }, rest, limit, (last) => ({ after: last }));
        },
        {
          query: ActiveUserPage,
          response: {
            200: Type.Array(Type.String(), { examples: [['ana', 'ben']] }),
            ...problemReplies('rate_limited', 'invalid_frame', 'unauthorized', 'forbidden'),
          },
          detail: describe(
            'listActiveUsers',
            'List the users that are online',
            'The usernames with an open connection in the room, or in any room, sorted. Users whose connection dropped count for `PRESENCE_GRACE` seconds more. Paginated with `Link`.',
          ),
        },
      )
      .get(
        '/users/:username',
        async ({ identity, params }) => {
          const { id, username, lastSeen } = await users.find(params.username);
          return { username, lastSeen, online: presence.isOnline(id, scopeOf(identity)) };
        },
        {
          params: UserParams,
          response: {
            200: UserStatus,
            ...problemReplies(
              'rate_limited',
              'invalid_frame',
              'unauthorized',
              'banned',
              'not_found',
            ),
          },
          detail: describe(
            'getUser',
            'Get presence and last-seen time',
            'Whether the user is online, and the time at which it last left a room.',
          ),
        },
      )
      .put(
        '/users/:username/ban',
        async ({ identity, params }) => {
          await accounts.setBan(identity, params.username, true);
          return new Response(null, { status: 204 });
        },
        {
          params: UserParams,
          response: banReplies,
          detail: describe(
            'banUser',
            'Ban a user',
            'For admins: from the whole server. Open connections of the user close with 4403.',
            access.token,
          ),
        },
      )
      .delete(
        '/users/:username/ban',
        async ({ identity, params }) => {
          await accounts.setBan(identity, params.username, false);
          return new Response(null, { status: 204 });
        },
        {
          params: UserParams,
          response: banReplies,
          detail: describe('unbanUser', 'Unban a user', 'For admins.', access.token),
        },
      )
  );
}

function ifNotFound(error: unknown): null {
  if (error instanceof ChatError && error.code === 'not_found') return null;
  throw error;
}
