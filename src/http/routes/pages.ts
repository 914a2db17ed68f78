import { stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { staticPlugin } from '@elysiajs/static';
import { Elysia, NotFoundError } from 'elysia';

const ours = fileURLToPath(new URL('../../../public', import.meta.url));
const swaggerUi = dirname(fileURLToPath(import.meta.resolve('swagger-ui-dist/package.json')));

const files: Record<string, string> = {
  '/test': join(ours, 'ws-tester.html'),
  '/swagger': join(ours, 'swagger.html'),
  '/swagger-ui.css': join(swaggerUi, 'swagger-ui.css'),
  '/swagger-ui-bundle.js': join(swaggerUi, 'swagger-ui-bundle.js'),
};
const ownPages = new Set(['/test', '/swagger'].map((path) => `/${basename(files[path] ?? '')}`));

/** For pages that an operator adds to `public/`: scripts and styles may be inline, but only from this server. */
const CSP_OF_ADDED_PAGES = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

type Reply = { request: Request; set: { headers: Record<string, string | number | undefined> } };

/** The tester, Swagger UI and the files of `public/`, without parts from other hosts. */
export async function pageRoutes() {
  const hidden = { detail: { hide: true } };
  const app = new Elysia({ name: 'pages' }).get('/', ({ redirect }) => redirect('/test'), hidden);
  for (const [path, file] of Object.entries(files)) {
    app.get(
      path,
      async (reply) => (await unchanged(file, reply)) ?? new Response(Bun.file(file)),
      hidden,
    );
  }
  return app.use(await addedPages());
}

/** The files of `public/` in their present state. */
async function addedPages() {
  const served = await staticPlugin({
    // Requested files have paths that begin like this; files that the plugin finds at the start have
    // absolute ones. It would serve the latter from memory, so it must ignore them.
    assets: relative(process.cwd(), ours),
    ignorePatterns: [/^\//],
    prefix: '/',
    alwaysStatic: false,
    decodeURI: true,
    // Its own ETag stays that of the first reply.
    etag: false,
    detail: { hide: true },
  });
  return new Elysia({ name: 'added-pages' })
    .onBeforeHandle(async ({ path, request, set }) => {
      const name = decoded(path);
      // Neither parent folders nor hidden files.
      if (name === undefined || /(^|[/\\])\./.test(name)) throw new NotFoundError();
      const reply = await unchanged(join(ours, name), { request, set });
      if (set.headers.etag && name.endsWith('.html') && !ownPages.has(name)) {
        set.headers['content-security-policy'] = CSP_OF_ADDED_PAGES;
      }
      return reply;
    })
    .use(served);
}

/** Sets the validators of a file. @returns a reply when the client has its present version */
async function unchanged(file: string, { request, set }: Reply): Promise<Response | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) return;
  const etag = `"${found.size.toString(36)}-${found.mtimeMs.toString(36)}"`;
  set.headers.etag = etag;
  set.headers['cache-control'] = 'no-cache';
  const known = request.headers.get('if-none-match')?.includes(etag);
  return known ? new Response(null, { status: 304 }) : undefined;
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
