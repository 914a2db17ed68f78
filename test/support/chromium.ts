import { existsSync } from 'node:fs';
import sparticuz from '@sparticuz/chromium';
import { type Browser, chromium } from 'playwright-core';

/** The Chromium that comes in a package runs on Linux for x64; elsewhere an installed Chrome serves. */
export async function launch(): Promise<Browser> {
  const packaged = process.platform === 'linux' && process.arch === 'x64';
  const path =
    process.env.CHROMIUM_PATH ?? (packaged ? await sparticuz.executablePath() : undefined);
  if (path && existsSync(path)) {
    // In one process, as suits a function in a cloud, a tab that is closed or hangs takes the others along.
    const args = sparticuz.args.filter((arg) => arg !== '--single-process');
    return chromium.launch({ executablePath: path, args });
  }
  return chromium.launch({ channel: 'chrome' });
}
