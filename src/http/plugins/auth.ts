import { Elysia } from 'elysia';
import { ChatError } from '../../errors.ts';
import type { AuthService } from '../../users/auth/auth.service.ts';

/**
 * Guards the routes that come after it in the instance that uses it: they get the `identity` of the request, and
 * in `AUTH=required` guests do not reach them. It comes before validation, so that only permitted clients learn
 * the faults of a request.
 */
export function guard(auth: AuthService) {
  return new Elysia({ name: 'guard' }).derive({ as: 'scoped' }, async ({ headers }) => ({
    identity: await auth.admit(credentialOf(headers)),
  }));
}

/**
 * The token or key of a request, from `Authorization: Bearer` or, since browsers cannot always
 * set a header, from `?token=`.
 *
 * @param url given for routes with `?token=`, which may be there once
 * @returns undefined without any token
 * @throws {ChatError} `unauthorized` for anything else in its place, so that no client becomes a guest by mistake
 */
export function credentialOf(
  headers: Record<string, string | undefined>,
  url?: string,
): string | undefined {
  const { authorization } = headers;
  const [, bearer] = /^Bearer +([^\s]+)$/i.exec(authorization ?? '') ?? [];
  const inQuery = url?.includes('?') ? new URL(url).searchParams.getAll('token') : [];
  if (authorization === undefined && inQuery.length === 0) return undefined;
  const [shown] = authorization === undefined ? inQuery : [bearer];
  if (inQuery.length > 1 || shown === undefined || shown === '') {
    throw new ChatError(
      'unauthorized',
      'The token must be one JSON Web Token: "Authorization: Bearer <token>"',
    );
  }
  return shown;
}
