import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { guard } from '../plugins/auth.ts';
import type { AuthService } from '../services/auth.service.ts';
import type { RoomService } from '../services/room.service.ts';
import type { Search } from '../services/search.ts';
import { SearchPage } from '../types/queries.ts';
import { problemReplies, StoredMessage, usual } from '../types/rest.ts';
import { nextLink } from './paging.ts';

export function searchRoutes({
  auth,
  rooms,
  search,
}: {
  auth: AuthService;
  rooms: RoomService;
  search: Search;
}) {
  return new Elysia({ name: 'search', tags: ['messages'] }).use(guard(auth)).get(
    '/messages/search',
    async ({ identity, query, request, set }) => {
      const { q, room: name, limit = 50, before } = query;
      const { room } = await rooms.visit(await auth.reader(identity, query), name);
      const found = await search.find(room, q, { before, limit: limit + 1 });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      if (last && found.length > limit) {
        set.headers.link = nextLink(request.url, { before: last.seq });
      }
      return page;
    },
    {
      query: SearchPage,
      response: {
        200: Type.Array(StoredMessage),
        ...problemReplies(...usual),
      },
      detail: {
        summary: 'The messages of a room that have all of some words, newest first',
        description:
          'Whole words, in any order, in upper or lower case, with or without accents. What is typed is always text: there are no operators. `Link` with `rel="next"` leads on.',
      },
    },
  );
}
