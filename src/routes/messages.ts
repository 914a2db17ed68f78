import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { ChatService } from '../services/chat.service.ts';
import type { RoomService } from '../services/room.service.ts';
import type { UserService } from '../services/user.service.ts';
import { MessagePage, NewMessage, problemReplies, StoredMessage } from '../types/rest.ts';
import { nextLink } from './paging.ts';

export function messageRoutes(parts: {
  chat: ChatService;
  users: UserService;
  rooms: RoomService;
}) {
  return new Elysia({ name: 'messages', tags: ['messages'] })
    .get(
      '/messages',
      async ({ query: { room, limit = 50, before, after }, request, set }) => {
        // One more than asked for tells whether there is a next page.
        const found = await parts.chat.page(await parts.rooms.find(room), {
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
          ...problemReplies('invalid_frame', 'not_found'),
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
      async ({ body: { username, content, room, id, data }, set }) => {
        const { message, repeated } = await parts.chat.post({
          user: await parts.users.find(username),
          room: await parts.rooms.find(room),
          content,
          clientId: id,
          data,
        });
        set.status = repeated ? 200 : 201;
        return message;
      },
      {
        parse: 'json',
        body: NewMessage,
        response: {
          200: StoredMessage,
          201: StoredMessage,
          ...problemReplies('invalid_frame', 'not_found', 'conflict', 'too_long', 'overloaded'),
        },
        detail: {
          summary: 'Say something',
          description:
            'Everyone in the room gets it at once. With an `id` it is stored once, however often it is sent: 201 the first time, 200 and the same message from then on.',
        },
      },
    );
}
