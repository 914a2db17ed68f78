import { createHash } from 'node:crypto';
import { type AnyElysia, Elysia } from 'elysia';
import { openApi } from '../openapi.ts';

/** The OpenAPI document of an app's routes, at `/swagger/json`, built at the first request. */
export function docs(app: AnyElysia) {
  let built: { text: string; etag: string } | undefined;
  return new Elysia({ name: 'docs' }).get(
    '/swagger/json',
    ({ request }) => {
      built ??= build(app);
      const headers = { etag: built.etag, 'cache-control': 'no-cache' };
      if (request.headers.get('if-none-match') === built.etag) {
        return new Response(null, { status: 304, headers });
      }
      return new Response(built.text, {
        headers: { ...headers, 'content-type': 'application/json' },
      });
    },
    { detail: { hide: true } },
  );
}

function build(app: AnyElysia) {
  const text = JSON.stringify(openApi(app));
  const digest = createHash('sha256').update(text).digest('base64url');
  return { text, etag: `"${digest}"` };
}
