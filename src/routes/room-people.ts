import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { guard } from '../plugins/auth.ts';
import type { AuthService } from '../services/auth.service.ts';
import type { RoomPeople } from '../services/room-people.ts';
import { Done, Membership, problemReplies, usual } from '../types/rest.ts';

const params = Type.Object({
  room: Type.String({ description: 'a room', examples: ['general'] }),
  username: Type.String({ description: 'a name', examples: ['ana'] }),
});
const problems = problemReplies(...usual, 'conflict');

/** Members, bans and mutes, for the owner of a room and for admins. */
export function roomPeopleRoutes({ auth, people }: { auth: AuthService; people: RoomPeople }) {
  const done = () => new Response(null, { status: 204 });
  const options = (summary: string, description: string) => ({
    params,
    response: { 204: Done, ...problems },
    detail: { summary, description, security: [{ bearer: [] }] },
  });
  const rulers = 'For the owner of the room and for admins.';
  return new Elysia({ name: 'room-people', tags: ['rooms'] })
    .use(guard(auth))
    .get(
      '/rooms/:room/members/:username',
      ({ identity, params: { room, username } }) => people.membership(identity, room, username),
      {
        params,
        response: { 200: Membership, ...problems },
        detail: { summary: 'Whether someone belongs to a room, and how' },
      },
    )
    .put(
      '/rooms/:room/members/:username',
      ({ identity, params: { room, username } }) =>
        people.setMember(identity, room, username, true).then(done),
      options('Make an account a member', rulers),
    )
    .delete(
      '/rooms/:room/members/:username',
      ({ identity, params: { room, username } }) =>
        people.setMember(identity, room, username, false).then(done),
      options('Put a member out', `${rulers} Members may leave by themselves.`),
    )
    .put(
      '/rooms/:room/bans/:username',
      ({ identity, params: { room, username } }) =>
        people.setBan(identity, room, username, true).then(done),
      options('Ban someone from a room', `${rulers} Who is in it is put out at once.`),
    )
    .delete(
      '/rooms/:room/bans/:username',
      ({ identity, params: { room, username } }) =>
        people.setBan(identity, room, username, false).then(done),
      options('Lift a ban', rulers),
    )
    .put(
      '/rooms/:room/mutes/:username',
      ({ identity, params: { room, username } }) =>
        people.setMute(identity, room, username, true).then(done),
      options('Mute someone in a room', `${rulers} The muted may read on.`),
    )
    .delete(
      '/rooms/:room/mutes/:username',
      ({ identity, params: { room, username } }) =>
        people.setMute(identity, room, username, false).then(done),
      options('Let someone speak again', rulers),
    );
}
