import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The key of our tokens: the one that is set, or one that is made at the first start and kept in the
 * data folder, which whoever opened the database there has for itself.
 */
export function tokenSecret(settings: { authSecret?: string; dataDir: string }): string {
  if (settings.authSecret) return settings.authSecret;
  const made = randomBytes(32).toString('base64url');
  if (settings.dataDir === 'memory') return made;
  const file = join(settings.dataDir, 'auth-secret');
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  // Written aside, so that nobody finds half of it.
  writeFileSync(`${file}.new`, made, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return made;
}
