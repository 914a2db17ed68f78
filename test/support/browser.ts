import { afterAll } from 'bun:test';
import { existsSync } from 'node:fs';
import sparticuz from '@sparticuz/chromium';
import { type Browser, chromium, type Page } from 'playwright-core';

let launched: Promise<Browser> | undefined;

/** The Chromium that comes in a package runs on Linux for x64; elsewhere an installed Chrome serves. */
async function launch(): Promise<Browser> {
  const packaged = process.platform === 'linux' && process.arch === 'x64';
  const path =
    process.env.CHROMIUM_PATH ?? (packaged ? await sparticuz.executablePath() : undefined);
  if (path && existsSync(path)) {
    return chromium.launch({ executablePath: path, args: sparticuz.args });
  }
  return chromium.launch({ channel: 'chrome' });
}

export interface Visitor {
  page: Page;
  /** What the page complained about, and each request to a host that is not the server. */
  complaints: string[];
}

/** A page in a browser profile of its own, as another person's would be. */
export async function visitor(path: string, base: string): Promise<Visitor> {
  launched ??= launch();
  const browser = await launched;
  const context = await browser.newContext({ baseURL: base });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (line) => line.type() === 'error' && complaints.push(line.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith('http') && url.origin !== base) complaints.push(request.url());
  });
  await page.goto(path);
  return { page, complaints };
}

afterAll(async () => {
  await (await launched)?.close();
  launched = undefined;
});
