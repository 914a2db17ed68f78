import { afterAll } from 'bun:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { atEnd } from './at-end.ts';
import { launch } from './chromium.ts';

let launched: Promise<Browser> | undefined;

/** The one of this run; another one where it has crashed. */
async function browser(): Promise<Browser> {
  if (launched && (await launched).isConnected()) return launched;
  launched = launch();
  const opened = await launched;
  atEnd(() => opened.close());
  return opened;
}

/** How long a page may take for a step: less than a test may, so that its failure names the step. */
const STEP_MS = 20_000;

export interface Visitor {
  page: Page;
  /** The errors in the console of the page, and each request to a host that is not the server. */
  complaints: string[];
}

/** A page in a browser profile of its own, as another person's would be; closed at the end of the test that opens it. */
export async function visitor(
  path: string,
  base: string,
  options: BrowserContextOptions = {},
): Promise<Visitor> {
  const context = await (await browser()).newContext({ baseURL: base, ...options });
  context.setDefaultTimeout(STEP_MS);
  // A browser that has crashed meanwhile has closed it.
  afterAll(() => context.close().catch(() => {}));
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
