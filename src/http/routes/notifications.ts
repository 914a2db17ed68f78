import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { readerOf } from '../../limits/limits.ts';
import type { NotificationService } from '../../notifications/notification.service.ts';
import { scopeOf } from '../../protocol/identity.ts';
import { problemReplies, usual } from '../../protocol/problems.ts';
import { Done, NewNotice, Notification } from '../../protocol/rest.ts';
import type { AuthService } from '../../users/auth/auth.service.ts';
import { access, describe } from '../describe.ts';
import { json } from '../input.ts';
import { linkNext } from '../paginate.ts';
import { guard } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import { AsUser, NotificationPage, NotificationParams } from '../queries.ts';

export function notificationRoutes({
  auth,
  notifications,
  origins,
}: {
  auth: AuthService;
  origins: Origins;
  notifications: NotificationService;
}) {
  return new Elysia({ name: 'notifications', tags: ['notifications'] })
    .use(origins)
    .use(guard(auth))
    .get(
      '/notifications',
      async ({ identity, origin, query, request, set }) => {
        const { limit = 50, before } = query;
        const user = await auth.requireUser(identity, query);
        const reader = readerOf({ identity, ...origin });
        const { page, more } = await notifications.list(
          user,
          { before, limit },
          scopeOf(identity),
          reader,
        );
        if (more) linkNext({ request, set }, { before: page.at(-1)?.id ?? 0 });
        return page;
      },
      {
        query: NotificationPage,
        response: { 200: Type.Array(Notification), ...problemReplies(...usual) },
        detail: describe(
          'listNotifications',
          'List my unread notifications',
          'Mentions, direct messages and notices, newest first. Reading a room up to a message marks its notifications as read. Paginated with `Link`.',
        ),
      },
    )
    .post(
      '/notifications',
      async ({ identity, body: { to, data } }) => {
        await notifications.send(identity, to, data);
        return new Response(null, { status: 204 });
      },
      {
        ...json(NewNotice),
        response: { 204: Done, ...problemReplies(...usual, 'too_long') },
        detail: describe(
          'sendNotice',
          'Send a notice to users',
          'For admins and back ends. It is kept for each user until it is read, and pushed at once to connections of protocol 1. `to` is a list of usernames, a role by the last token of each user (`user`, `admin`), or `"*"` for everyone.',
          access.token,
        ),
      },
    )
    .put(
      '/notifications/:id/read',
      async ({ identity, query, params: { id } }) => {
        const user = await auth.requireUser(identity, query);
        await notifications.markRead(user, id, scopeOf(identity));
        return new Response(null, { status: 204 });
      },
      {
        params: NotificationParams,
        query: AsUser,
        response: { 204: Done, ...problemReplies(...usual) },
        detail: describe(
          'markNotificationRead',
          'Mark a notification as read',
          'The notification is deleted; a second request gets 404.',
        ),
      },
    );
}
