import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Elysia } from 'elysia';

const ours = fileURLToPath(new URL('../../public/', import.meta.url));
const swaggerUi = dirname(fileURLToPath(import.meta.resolve('swagger-ui-dist/package.json')));

const files: Record<string, string> = {
  '/test': `${ours}/ws-tester.html`,
  '/public/ws-tester.css': `${ours}/ws-tester.css`,
  '/public/ws-tester.js': `${ours}/ws-tester.js`,
  '/public/icon.svg': `${ours}/icon.svg`,
  '/swagger': `${ours}/swagger.html`,
  '/public/swagger.css': `${ours}/swagger.css`,
  '/public/swagger.js': `${ours}/swagger.js`,
  '/public/swagger-ui.css': `${swaggerUi}/swagger-ui.css`,
  '/public/swagger-ui-bundle.js': `${swaggerUi}/swagger-ui-bundle.js`,
};

/** The tester, Swagger UI and what they load; nothing comes from another host. */
export function pageRoutes() {
  const hidden = { detail: { hide: true } };
  const app = new Elysia({ name: 'pages' }).get('/', ({ redirect }) => redirect('/test'), hidden);
  for (const [path, file] of Object.entries(files)) {
    app.get(
      path,
      () => new Response(Bun.file(file), { headers: { 'cache-control': 'no-cache' } }),
      hidden,
    );
  }
  return app;
}
