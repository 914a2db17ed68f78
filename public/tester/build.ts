import { join, resolve } from 'node:path';

const root = import.meta.dirname;

/**
 * Builds the tester page for browsers. The client library stays outside: the page loads the
 * `/client.js` that everybody else does.
 *
 * @returns `tester.js`, its source map and `tester.css`, by their names
 */
export async function buildTester(): Promise<Map<string, string>> {
  const library = resolve(root, '../../client/index.ts');
  const build = await Bun.build({
    entrypoints: [join(root, 'main.tsx'), join(root, 'styles/index.css')],
    target: 'browser',
    minify: true,
    sourcemap: 'external',
    naming: 'tester.[ext]',
    // As JSX is made for development where the server is not in production.
    define: { 'process.env.NODE_ENV': '"production"' },
    plugins: [
      {
        name: 'client library',
        setup(builder) {
          builder.onResolve({ filter: /\/client\/index\.ts$/ }, ({ path, importer }) =>
            resolve(importer, '..', path) === library
              ? { path: '/client.js', external: true }
              : undefined,
          );
        },
      },
    ],
  });
  const texts = build.outputs.map(async (output) => [output.path, await output.text()] as const);
  return new Map(
    (await Promise.all(texts)).map(([path, text]) => [
      path.replace(/^\.?\//, ''),
      text.replace(/^\/\/# debugId=.*\n/m, ''),
    ]),
  );
}
