import { afterAll, afterEach } from 'bun:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launch } from './chromium.ts';

let launched: Promise<Browser> | undefined;
/** Those of the test that runs. */
const contexts: BrowserContext[] = [];

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
  contexts.push(context);
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

afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
});

afterAll(async () => {
  await (await launched)?.close();
  launched = undefined;
});
