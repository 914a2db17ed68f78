import { Elysia } from 'elysia';
import { ChatError } from '../errors.ts';
import type { AuthService } from '../services/auth.service.ts';

/**
 * Guards the routes that come after it in the instance that uses it: they learn the `identity` of
 * whoever asks, and in `AUTH=required` guests do not get to them. It comes before validation, so that
 * what is wrong with a request is told only to those who may make it.
 */
export function guard(auth: AuthService) {
  return new Elysia({ name: 'guard' }).derive({ as: 'scoped' }, async ({ headers }) => ({
    identity: await auth.admit(credentialOf(headers)),
  }));
}

/**
 * The token or key of a request, from `Authorization: Bearer` or, where a browser cannot set a header,
 * from `?token=`.
 *
 * @param query given where the query may hold it
 * @returns undefined when there is none at all
 * @throws {ChatError} `unauthorized` for anything else in its place, so that nobody becomes a guest by mistake
 */
export function credentialOf(
  headers: Record<string, string | undefined>,
  query: Record<string, unknown> = {},
): string | undefined {
  const { authorization } = headers;
  const [, bearer] = /^Bearer +([^\s]+)$/i.exec(authorization ?? '') ?? [];
  const shown = authorization === undefined ? query.token : bearer;
  if (authorization === undefined && shown === undefined) return undefined;
  if (typeof shown !== 'string' || shown === '') {
    throw new ChatError(
      'unauthorized',
      'The token must be one JSON Web Token: "Authorization: Bearer <token>"',
    );
  }
  return shown;
}
