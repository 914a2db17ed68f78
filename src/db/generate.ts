/** `bun run db:generate`: drizzle-kit writes a migration, which is made {@link repeatable} here. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Glob } from 'bun';
import { repeatable } from './repeatable.ts';

const command = [process.execPath, 'x', 'drizzle-kit', 'generate', ...process.argv.slice(2)];
const { exitCode } = Bun.spawnSync(command, { stdio: ['inherit', 'inherit', 'inherit'] });
process.exitCode = exitCode;

const folder = fileURLToPath(new URL('./migrations/', import.meta.url));
for (const file of new Glob('*.sql').scanSync({ cwd: folder, absolute: true })) {
  writeFileSync(file, repeatable(readFileSync(file, 'utf8')));
}
