import { Elysia } from 'elysia';
import { guard } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import type { AuthService } from '../services/auth.service.ts';
import { Credentials, Done, NewPassword, NewSession, problemReplies } from '../types/rest.ts';

export function sessionRoutes({ auth, origins }: { auth: AuthService; origins: Origins }) {
  return (
    new Elysia({ name: 'sessions', tags: ['accounts'] })
      .use(origins)
      // Before the guard: whoever signs in has no token, or an old one.
      .post(
        '/sessions',
        async ({ body: { username, password }, origin, set }) => {
          const session = await auth.signIn(username, password, origin.address);
          set.status = 201;
          return session;
        },
        {
          parse: 'json',
          body: Credentials,
          response: {
            201: NewSession,
            ...problemReplies(
              'rate_limited',
              'invalid_frame',
              'unauthorized',
              'banned',
              'overloaded',
            ),
          },
          detail: {
            summary: 'Sign in',
            description:
              'The token goes into `Authorization: Bearer`, into `?token=` of `/ws` and `/events`, or into a `join` frame. It is good for a week, unless it is ended before.',
            security: [{}],
          },
        },
      )
      .use(guard(auth))
      .delete(
        '/sessions',
        async ({ identity }) => {
          await auth.endSessions(identity);
          return new Response(null, { status: 204 });
        },
        {
          response: { 204: Done, ...problemReplies('rate_limited', 'unauthorized', 'forbidden') },
          detail: {
            summary: 'Sign out everywhere',
            description: 'Ends all tokens of the user; its open connections close with 4401.',
            security: [{ bearer: [] }],
          },
        },
      )
      .put(
        '/me/password',
        async ({ identity, body: { password, currentPassword } }) => {
          await auth.changePassword(identity, password, currentPassword);
          return new Response(null, { status: 204 });
        },
        {
          parse: 'json',
          body: NewPassword,
          response: {
            204: Done,
            ...problemReplies(
              'rate_limited',
              'invalid_frame',
              'unauthorized',
              'forbidden',
              'overloaded',
            ),
          },
          detail: {
            summary: 'Change the password',
            description:
              'Ends all tokens of the user, the one that was sent too; its open connections close with 4401.',
            security: [{ bearer: [] }],
          },
        },
      )
  );
}
