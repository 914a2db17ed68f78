import { basename, dirname, join, resolve } from 'node:path';

const root = import.meta.dirname;

/** The part that is loaded at once, and those that are loaded when they are first used. */
const core = join(root, 'index.ts');
const parts = ['background', 'api', 'changes', 'history', 'restore', 'transports'].map((name) =>
  join(root, `${name}.ts`),
);

/** A file of the build, by its path. */
export type ClientFiles = Map<string, string>;

/**
 * Builds the library for browsers, Bun and Node.
 *
 * @param entry the name of the file that is loaded at once, without `.js`
 * @param folder where it finds the others
 * @returns the files with their source maps, minified
 */
export async function buildClient(entry: string, folder: string): Promise<ClientFiles> {
  const files: ClientFiles = new Map();
  for (const source of [core, ...parts]) {
    const isCore = source === core;
    const build = await Bun.build({
      entrypoints: [source],
      target: 'browser',
      minify: true,
      sourcemap: 'external',
      naming: isCore ? `${entry}.js` : `${basename(source, '.ts')}.js`,
      plugins: [
        {
          name: 'lazy parts',
          setup(builder) {
            // Splitting would do the same, with 400 bytes of preloading in the core.
            builder.onResolve({ filter: /^\./ }, ({ path, importer, kind }) => {
              const target = resolve(dirname(importer), path);
              if (kind === 'dynamic-import') {
                const beside = isCore ? folder : '';
                return { path: `./${beside}${basename(target, '.ts')}.js`, external: true };
              }
              // An error is of the same class wherever it was thrown.
              if (isCore || basename(target) !== 'error.ts') return undefined;
              return { path: `${folder && '.'}./${entry}.js`, external: true };
            });
          },
        },
      ],
    });
    await addTo(files, isCore ? '' : folder, build);
  }
  return files;
}

/**
 * Builds the hooks for React, which take the rest of the library from `../index.js`.
 *
 * @returns `react/index.js` with its source map, minified
 */
export async function buildReact(): Promise<ClientFiles> {
  const files: ClientFiles = new Map();
  const build = await Bun.build({
    entrypoints: [join(root, 'react/index.ts')],
    target: 'browser',
    minify: true,
    sourcemap: 'external',
    // Frameworks that tell components of servers and browsers apart run hooks in browsers.
    banner: '"use client";',
    external: ['react'],
    plugins: [
      {
        name: 'core',
        setup(builder) {
          const path = '../index.js';
          builder.onResolve({ filter: /^\.\.\/index\.ts$/ }, () => ({ path, external: true }));
        },
      },
    ],
  });
  await addTo(files, 'react', build);
  return files;
}

async function addTo(files: ClientFiles, folder: string, build: Bun.BuildOutput): Promise<void> {
  for (const output of build.outputs) {
    const text = await output.text();
    files.set(join(folder, output.path), text.replace(/^\/\/# debugId=.*\n/m, ''));
  }
}
