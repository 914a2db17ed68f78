import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { guard } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import type { AuthService } from '../services/auth.service.ts';
import type { ChatService } from '../services/chat.service.ts';
import type { RoomService } from '../services/room.service.ts';
import type { UserService } from '../services/user.service.ts';
import { MessagePage, NewMessage, problemReplies, StoredMessage } from '../types/rest.ts';
import { visitorOf } from '../types/room.ts';
import { nextLink } from './paging.ts';

export function messageRoutes(parts: {
  auth: AuthService;
  origins: Origins;
  chat: ChatService;
  users: UserService;
  rooms: RoomService;
}) {
  return new Elysia({ name: 'messages', tags: ['messages'] })
    .use(parts.origins)
    .use(guard(parts.auth))
    .get(
      '/messages',
      async ({ identity, query: { room: name, limit = 50, before, after }, request, set }) => {
        const { room } = await parts.rooms.visit(visitorOf(identity), name);
        // One more than asked for tells whether there is a next page.
        const found = await parts.chat.page(room, {
          before,
          after,
          limit: limit + 1,
        });
        if (found.length <= limit) return found;
        const forward = after !== undefined;
        const page = forward ? found.slice(0, limit) : found.slice(1);
        const edge = forward ? { after: page.at(-1)?.seq ?? 0 } : { before: page[0]?.seq ?? 0 };
        set.headers.link = nextLink(request.url, edge);
        return page;
      },
      {
        query: MessagePage,
        response: {
          200: Type.Array(StoredMessage),
          ...problemReplies(
            'rate_limited',
            'invalid_frame',
            'unauthorized',
            'forbidden',
            'not_found',
          ),
        },
        detail: {
          summary: 'The most recent messages of a room, oldest first',
          description:
            'Where there are more, the `Link` header with `rel="next"` leads to the page before this one, or, with `after`, to the one behind it.',
        },
      },
    )
    .post(
      '/messages',
      async ({ identity, origin, body: { username, content, room, id, data }, set }) => {
        const find = (name: string) => parts.users.standing(name);
        const user = await parts.auth.speaker(identity, username, find);
        const visitor = { identity, user, address: origin.address };
        const visit = await parts.rooms.visit(visitor, room, 'speak');
        const post = { user, room: visit.room, content, clientId: id, data };
        const { message, repeated } = await parts.chat.post(post, visitor);
        set.status = repeated ? 200 : 201;
        return message;
      },
      {
        parse: 'json',
        body: NewMessage,
        response: {
          200: StoredMessage,
          201: StoredMessage,
          ...problemReplies(
            'rate_limited',
            'invalid_frame',
            'unauthorized',
            'forbidden',
            'not_found',
            'conflict',
            'too_long',
            'overloaded',
          ),
        },
        detail: {
          summary: 'Say something',
          description:
            'Everyone in the room gets it at once. A guest’s name is free to use, an account’s needs its token, and the holder of `API_KEY` may speak for anyone. With an `id` it is stored once, however often it is sent: 201 the first time, 200 and the same message from then on.',
        },
      },
    );
}
