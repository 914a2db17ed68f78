import { extname } from 'node:path';
import { Elysia } from 'elysia';
import { buildClient } from '../../../client/build.ts';
import { buildTester } from '../../../public/tester/build.ts';
import { ChatError } from '../../errors.ts';

const TYPES: Record<string, string> = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.map': 'application/json',
};

/** The browser build of the client library; the parts that it loads at their first use are beside it. */
export function clientRoutes() {
  const paths = ['/client.js', '/client.js.map', '/client/:file'];
  return built('client', paths, () => buildClient('client', 'client/'));
}

/** The script and the style of the tester page. */
export function testerRoutes() {
  return built('tester', ['/tester.js', '/tester.js.map', '/tester.css'], buildTester);
}

/** Serves files that are built when one of them is first asked for. @param paths where they are */
function built(name: string, paths: string[], build: () => Promise<Map<string, string>>) {
  let files: Promise<Map<string, Response>> | undefined;
  const serve = async ({ request }: { request: Request }) => {
    files ??= build().then(responses);
    const { pathname } = new URL(request.url);
    const file = (await files).get(pathname)?.clone();
    if (!file) throw new ChatError('not_found', `There is no ${pathname}; begin with ${paths[0]}`);
    const { headers } = file;
    const isKnown = request.headers.get('if-none-match')?.includes(headers.get('etag') ?? '');
    return isKnown ? new Response(null, { status: 304, headers }) : file;
  };
  const app = new Elysia({ name });
  for (const path of paths) app.get(path, serve, { detail: { hide: true } });
  return app;
}

function responses(files: Map<string, string>): Map<string, Response> {
  return new Map(
    [...files].map(([path, text]) => {
      const headers = {
        ...(files.has(`${path}.map`) && { sourcemap: `/${path}.map` }),
        'content-type': `${TYPES[extname(path)]}; charset=utf-8`,
        // Always asked for, and mostly answered by 304.
        'cache-control': 'no-cache',
        etag: `"${Bun.hash(text).toString(36)}"`,
      };
      return [`/${path}`, new Response(text, { headers })];
    }),
  );
}
