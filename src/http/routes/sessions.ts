import { Elysia } from 'elysia';
import { problemReplies } from '../../protocol/problems.ts';
import { Credentials, Done, NewPassword, Session } from '../../protocol/rest.ts';
import type { AccountService } from '../../users/auth/account.service.ts';
import type { AuthService } from '../../users/auth/auth.service.ts';
import { access, describe } from '../describe.ts';
import { json } from '../input.ts';
import { guard } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';

export function sessionRoutes({
  auth,
  accounts,
  origins,
}: {
  auth: AuthService;
  accounts: AccountService;
  origins: Origins;
}) {
  return (
    new Elysia({ name: 'sessions', tags: ['accounts'] })
      .use(origins)
      // Before the guard, since clients that sign in have no token, or an old one.
      .post(
        '/sessions',
        async ({ body: { username, password }, origin, set }) => {
          const session = await accounts.signIn(username, password, origin.address);
          set.status = 201;
          return session;
        },
        {
          ...json(Credentials),
          response: {
            201: Session,
            ...problemReplies(
              'rate_limited',
              'invalid_frame',
              'unauthorized',
              'banned',
              'overloaded',
            ),
          },
          detail: describe(
            'signIn',
            'Sign in',
            'The token goes into `Authorization: Bearer`, into `?token=` of `/ws` and `/events`, or into a `join` frame. It is valid for a week, unless it is ended earlier.',
            access.public,
          ),
        },
      )
      .use(guard(auth))
      .delete(
        '/sessions',
        async ({ identity }) => {
          await accounts.endSessions(identity);
          return new Response(null, { status: 204 });
        },
        {
          response: { 204: Done, ...problemReplies('rate_limited', 'unauthorized', 'forbidden') },
          detail: describe(
            'signOutEverywhere',
            'Sign out everywhere',
            'Ends all tokens of the user; its open connections close with 4401.',
            access.token,
          ),
        },
      )
      .put(
        '/me/password',
        async ({ identity, origin: { address }, body: { password, currentPassword } }) => {
          const current = currentPassword === undefined ? {} : { current: currentPassword };
          await accounts.changePassword(identity, { password, address, ...current });
          return new Response(null, { status: 204 });
        },
        {
          ...json(NewPassword),
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
          detail: describe(
            'changePassword',
            'Change my password',
            'Ends all tokens of the user, including that of the request; its open connections close with 4401.',
            access.token,
          ),
        },
      )
  );
}
