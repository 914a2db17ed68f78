import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** Code of this project as one script for a browser. @param path from the root of the project */
export async function bundle(path: string): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [join(root, path)],
    target: 'browser',
    // React explains faults, and renders twice in strict mode, only in its development build.
    define: { 'process.env.NODE_ENV': '"development"' },
  });
  const [script] = outputs;
  if (!script) throw new Error(`${path} gave no script`);
  return script.text();
}
