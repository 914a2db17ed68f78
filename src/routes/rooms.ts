import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { RoomService } from '../services/room.service.ts';
import { problemReplies, RoomInfo, RoomPage } from '../types/rest.ts';
import type { Presence } from '../ws/presence.ts';
import { nextLink } from './paging.ts';

export function roomRoutes({ rooms, presence }: { rooms: RoomService; presence: Presence }) {
  return new Elysia({ name: 'rooms', tags: ['rooms'] }).get(
    '/rooms',
    async ({ query: { limit = 100, after }, request, set }) => {
      const found = await rooms.list({ after, limit: limit + 1 });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      if (last && found.length > limit)
        set.headers.link = nextLink(request.url, { after: last.name });
      return page.map(({ name, createdAt }) => ({
        name,
        createdAt: createdAt.toISOString(),
        userCount: presence.count(name),
      }));
    },
    {
      query: RoomPage,
      response: { 200: Type.Array(RoomInfo), ...problemReplies('invalid_frame') },
      detail: {
        summary: 'The rooms that anyone may enter',
        description: 'In the order of their names; `Link` with `rel="next"` leads on.',
      },
    },
  );
}
