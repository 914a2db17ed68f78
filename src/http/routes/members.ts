import { type TObject, Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { problemReplies, usual } from '../../protocol/problems.ts';
import { Done, Member, UserRef } from '../../protocol/rest.ts';
import type { Members } from '../../rooms/members.ts';
import type { AuthService } from '../../users/auth/auth.service.ts';
import { access, describe } from '../describe.ts';
import { paginate } from '../paginate.ts';
import { guard } from '../plugins/auth.ts';
import { MemberPage, RoomParams, RoomUserParams } from '../queries.ts';

const forOwner = 'For the owner of the room and for admins.';
const inOrder = 'Sorted by name. Paginated with `Link`.';
const afterLast = ({ username }: { username: string }) => ({ after: username });

/** The options of a route that lists users. */
function listing<S extends TObject>(item: S, detail: ReturnType<typeof describe>) {
  const response = { 200: Type.Array(item), ...problemReplies(...usual) };
  return { params: RoomParams, query: MemberPage, response, detail };
}

/** The options of a route that changes what a user may do in a room. */
function changing(operationId: string, summary: string, description: string) {
  return {
    params: RoomUserParams,
    response: { 204: Done, ...problemReplies(...usual, 'conflict') },
    detail: describe(operationId, summary, description, access.token),
  };
}

/** Members, bans and mutes of a room. */
export function memberRoutes({ auth, members }: { auth: AuthService; members: Members }) {
  const done = () => new Response(null, { status: 204 });
  return new Elysia({ name: 'members', tags: ['members'] })
    .use(guard(auth))
    .get(
      '/rooms/:room/members',
      async ({ identity, params: { room }, query: { limit = 100, after }, request, set }) => {
        const found = await members.list(identity, room, { after, limit: limit + 1 });
        return paginate({ request, set }, found, limit, afterLast);
      },
      listing(
        Member,
        describe(
          'listMembers',
          'List the members of a room',
          `The owner and the members, for users that may read the room. ${inOrder}`,
        ),
      ),
    )
    .get(
      '/rooms/:room/bans',
      async ({ identity, params: { room }, query: { limit = 100, after }, request, set }) => {
        const page = { after, limit: limit + 1 };
        return paginate(
          { request, set },
          await members.listBans(identity, room, page),
          limit,
          afterLast,
        );
      },
      listing(
        UserRef,
        describe(
          'listBans',
          'List the users banned from a room',
          `${forOwner} ${inOrder}`,
          access.token,
        ),
      ),
    )
    .get(
      '/rooms/:room/mutes',
      async ({ identity, params: { room }, query: { limit = 100, after }, request, set }) => {
        const page = { after, limit: limit + 1 };
        return paginate(
          { request, set },
          await members.listMutes(identity, room, page),
          limit,
          afterLast,
        );
      },
      listing(
        UserRef,
        describe(
          'listMutes',
          'List the users muted in a room',
          `${forOwner} ${inOrder}`,
          access.token,
        ),
      ),
    )
    .get(
      '/rooms/:room/members/:username',
      ({ identity, params: { room, username } }) => members.membership(identity, room, username),
      {
        params: RoomUserParams,
        response: { 200: Member, ...problemReplies(...usual) },
        detail: describe(
          'getMember',
          'Get a member of a room',
          '404 for users that are not members.',
        ),
      },
    )
    .put(
      '/rooms/:room/members/:username',
      ({ identity, params: { room, username } }) =>
        members.setMember(identity, room, username, true).then(done),
      changing('addMember', 'Add a member to a room', `${forOwner} Only accounts are members.`),
    )
    .delete(
      '/rooms/:room/members/:username',
      ({ identity, params: { room, username } }) =>
        members.setMember(identity, room, username, false).then(done),
      changing(
        'removeMember',
        'Remove a member from a room',
        `${forOwner} Members may remove themselves.`,
      ),
    )
    .put(
      '/rooms/:room/bans/:username',
      ({ identity, params: { room, username } }) =>
        members.setBan(identity, room, username, true).then(done),
      changing(
        'banFromRoom',
        'Ban a user from a room',
        `${forOwner} The user's open connections leave the room at once.`,
      ),
    )
    .delete(
      '/rooms/:room/bans/:username',
      ({ identity, params: { room, username } }) =>
        members.setBan(identity, room, username, false).then(done),
      changing('unbanFromRoom', 'Lift a ban from a room', forOwner),
    )
    .put(
      '/rooms/:room/mutes/:username',
      ({ identity, params: { room, username } }) =>
        members.setMute(identity, room, username, true).then(done),
      changing(
        'muteInRoom',
        'Mute a user in a room',
        `${forOwner} Muted users may read, but not write.`,
      ),
    )
    .delete(
      '/rooms/:room/mutes/:username',
      ({ identity, params: { room, username } }) =>
        members.setMute(identity, room, username, false).then(done),
      changing('unmuteInRoom', 'Unmute a user in a room', forOwner),
    );
}
