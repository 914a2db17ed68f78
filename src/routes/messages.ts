import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { ChatError } from '../errors.ts';
import { guard } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import type { AuthService } from '../services/auth.service.ts';
import type { ChatService } from '../services/chat.service.ts';
import type { DirectRooms } from '../services/direct-rooms.ts';
import type { MessageReader } from '../services/message-reader.ts';
import type { RoomService } from '../services/room.service.ts';
import type { UserService } from '../services/user.service.ts';
import { MessagePage } from '../types/queries.ts';
import { NewMessage, problemReplies, StoredMessage, usual } from '../types/rest.ts';
import { parseUsername } from '../types/text.ts';
import { nextLink } from './paging.ts';

export function messageRoutes(parts: {
  auth: AuthService;
  origins: Origins;
  chat: ChatService;
  messages: MessageReader;
  users: UserService;
  rooms: RoomService;
  directRooms: DirectRooms;
}) {
  return new Elysia({ name: 'messages', tags: ['messages'] })
    .use(parts.origins)
    .use(guard(parts.auth))
    .get(
      '/messages',
      async ({ identity, query, request, set }) => {
        const { room: name, limit = 50, before, after } = query;
        const { room } = await parts.rooms.visit(await parts.auth.reader(identity, query), name);
        // One more than asked for tells whether there is a next page.
        const found = await parts.messages.page(room, {
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
          ...problemReplies(...usual),
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
      async ({ identity, origin: { address }, body, set }) => {
        const { username, content, room: name, to, id, data, replyTo } = body;
        const visitor = await parts.auth.named(identity, username, address);
        const { user } = visitor;
        if (to !== undefined && name !== undefined) {
          throw new ChatError('invalid_frame', 'A message has either "room" or "to"');
        }
        if (to !== undefined) parseUsername(to, 'to');
        const room =
          to === undefined
            ? (await parts.rooms.visit(visitor, name, 'speak')).room
            : await parts.directRooms.between(visitor, await parts.users.standing(to));
        const post = { user, room, content, clientId: id, data, replyTo };
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
          ...problemReplies(...usual, 'conflict', 'too_long', 'overloaded'),
        },
        detail: {
          summary: 'Say something',
          description:
            'Everyone in the room gets it at once. A guest’s name is free to use, an account’s needs its token, and the holder of `API_KEY` may speak for anyone. With an `id` it is stored once, however often it is sent: 201 the first time, 200 and the same message from then on. With `to` in place of `room` it is a direct message.',
        },
      },
    );
}
