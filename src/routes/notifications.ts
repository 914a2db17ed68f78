import { Type } from '@sinclair/typebox';
import { Elysia, t } from 'elysia';
import { guard } from '../plugins/auth.ts';
import type { AuthService } from '../services/auth.service.ts';
import type { NotificationService } from '../services/notification.service.ts';
import { AsUser, NotificationPage } from '../types/queries.ts';
import { Done, NewNotice, Notification, problemReplies, usual } from '../types/rest.ts';
import { nextLink } from './paging.ts';

const security = [{ bearer: [] }];

export function notificationRoutes({
  auth,
  notifications,
}: {
  auth: AuthService;
  notifications: NotificationService;
}) {
  return new Elysia({ name: 'notifications', tags: ['notifications'] })
    .use(guard(auth))
    .get(
      '/notifications',
      async ({ identity, query, request, set }) => {
        const { limit = 50, before } = query;
        const user = await auth.owner(identity, query);
        const found = await notifications.list(user, { before, limit: limit + 1 });
        const page = found.slice(0, limit);
        const last = page.at(-1);
        if (last && found.length > limit) {
          set.headers.link = nextLink(request.url, { before: last.id });
        }
        return page;
      },
      {
        query: NotificationPage,
        response: {
          200: Type.Array(Notification),
          ...problemReplies(...usual),
        },
        detail: {
          summary: 'What one has not read, newest first',
          description:
            'Mentions, direct messages and notices. Reading a room up to a message is reading what was notified of it. `Link` with `rel="next"` leads on.',
          security,
        },
      },
    )
    .post(
      '/notifications',
      async ({ identity, body: { to, data } }) => {
        await notifications.send(identity, to, data);
        return new Response(null, { status: 204 });
      },
      {
        parse: 'json',
        body: NewNotice,
        response: {
          204: Done,
          ...problemReplies(...usual, 'too_long'),
        },
        detail: {
          summary: 'Tell users something',
          description:
            'For admins and back ends. It is kept for each user until it is read, and shown at once to who is here on protocol 1. `to` is a list of usernames, a role as the tokens of users last said it (`user`, `admin`), or `"*"` for everyone.',
          security,
        },
      },
    )
    .put(
      '/notifications/:id/read',
      async ({ identity, query, params: { id } }) => {
        await notifications.markRead(await auth.owner(identity, query), id);
        return new Response(null, { status: 204 });
      },
      {
        params: t.Object({
          id: t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, examples: [5] }),
        }),
        query: AsUser,
        response: {
          204: Done,
          ...problemReplies(...usual),
        },
        detail: {
          summary: 'Have read a notification',
          description: 'It is gone then; a second time is answered by 404.',
          security,
        },
      },
    );
}
