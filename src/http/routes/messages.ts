import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { ChatService } from '../../chat/chat.service.ts';
import type { MessageReader } from '../../chat/reader.ts';
import type { Search } from '../../chat/search.ts';
import { readerOf } from '../../limits/limits.ts';
import { draftOf, StoredMessage } from '../../protocol/message.ts';
import { problemReplies, usual } from '../../protocol/problems.ts';
import { NewMessage } from '../../protocol/rest.ts';
import type { RoomService } from '../../rooms/room.service.ts';
import type { AuthService } from '../../users/auth/auth.service.ts';
import { describe } from '../describe.ts';
import { json } from '../input.ts';
import { linkNext } from '../paginate.ts';
import { guard } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import { AsUser, MessagePage, MessageParams, SearchPage } from '../queries.ts';

export function messageRoutes(parts: {
  auth: AuthService;
  origins: Origins;
  chat: ChatService;
  messages: MessageReader;
  rooms: RoomService;
  search: Search;
}) {
  const { auth, chat, messages, rooms, search } = parts;
  return new Elysia({ name: 'messages', tags: ['messages'] })
    .use(parts.origins)
    .use(guard(auth))
    .get(
      '/messages',
      async ({ identity, origin, query, request, set }) => {
        const { room: name, limit = 50, before, after } = query;
        const { room } = await rooms.authorize(await auth.readerPrincipal(identity, query), name);
        const reader = readerOf({ identity, ...origin });
        const found = await messages.page(room, { before, after, limit }, reader);
        const edge = found.messages.at(after === undefined ? 0 : -1)?.seq ?? 0;
        const next = after === undefined ? { before: edge } : { after: edge };
        if (found.more) linkNext({ request, set }, next);
        return found.messages;
      },
      {
        query: MessagePage,
        response: { 200: Type.Array(StoredMessage), ...problemReplies(...usual) },
        detail: describe(
          'listMessages',
          'List the most recent messages of a room',
          'Oldest first. If there are more, the `Link` header with `rel="next"` leads to older messages or, with `after`, to newer ones.',
        ),
      },
    )
    .post(
      '/messages',
      async ({ identity, origin: { address }, body, set }) => {
        const { username, room: name, to, id } = body;
        const author = await auth.authorPrincipal(identity, username, address);
        const room = await chat.resolve(author, { room: name, to });
        const { message, duplicate } = await chat.post(author, room, draftOf(body, id));
        set.status = duplicate ? 200 : 201;
        return message;
      },
      {
        ...json(NewMessage),
        response: {
          200: StoredMessage,
          201: StoredMessage,
          ...problemReplies(...usual, 'banned', 'muted', 'conflict', 'too_long', 'overloaded'),
        },
        detail: describe(
          'postMessage',
          'Post a message',
          'Everyone in the room gets it at once. It has `content`, `data` for programs, or both. The name of a guest is free to use, that of an account needs its token, and `API_KEY` may post as any user. With an `id` it is stored once, however often it is sent: 201 the first time, 200 and the same message after that. With `to` in place of `room` it is a direct message.',
        ),
      },
    )
    .get(
      '/messages/search',
      async ({ identity, origin, query, request, set }) => {
        const { q, room: name, limit = 50, before } = query;
        const { room } = await rooms.authorize(await auth.readerPrincipal(identity, query), name);
        const page = { before, limit };
        const found = await search.find(room, q, page, readerOf({ identity, ...origin }));
        if (found.more) linkNext({ request, set }, { before: found.messages.at(-1)?.seq ?? 0 });
        return found.messages;
      },
      {
        query: SearchPage,
        response: { 200: Type.Array(StoredMessage), ...problemReplies(...usual) },
        detail: describe(
          'searchMessages',
          'Search the messages of a room',
          'Newest first: the messages that have all of the words, in any order, in upper or lower case, with or without accents. There are no operators. Paginated with `Link`.',
        ),
      },
    )
    .get(
      '/messages/:id',
      async ({ identity, query, params: { id } }) =>
        chat.find(await auth.readerPrincipal(identity, query), id),
      {
        params: MessageParams,
        query: AsUser,
        response: { 200: StoredMessage, ...problemReplies(...usual) },
        detail: describe(
          'getMessage',
          'Get a message',
          'In its present state; a deleted one has `deletedAt` and no content.',
        ),
      },
    );
}
