import { afterAll } from 'bun:test';
import type { Page } from 'playwright-core';
import { visitor } from './browser.ts';

/** A foreign site, which uses the server from its own origin. */
export function site(pages: Record<string, string>): string {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request) => {
      const html = pages[new URL(request.url).pathname] ?? '<!doctype html><title>empty</title>';
      return new Response(html, { headers: { 'content-type': 'text/html; charset=utf-8' } });
    },
  });
  afterAll(() => server.stop(true));
  return `http://127.0.0.1:${server.port}`;
}

/** A site whose pages are the files of a folder. */
export function folderSite(folder: string): string {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: ({ url }) => {
      const { pathname } = new URL(url);
      return new Response(Bun.file(`${folder}${pathname === '/' ? '/index.html' : pathname}`));
    },
  });
  afterAll(() => server.stop(true));
  return `http://127.0.0.1:${server.port}`;
}

/** An empty page of a site, in a browser profile of its own. */
export async function emptyPage(base: string): Promise<Page> {
  const { page } = await visitor('/', base);
  return page;
}

/**
 * Freezes a page, as browsers do with tabs in the background: it runs nothing. A headless Chromium does not
 * freeze by itself, so a debugger stops the page.
 *
 * @returns the function that wakes it
 */
export async function freeze(page: Page): Promise<() => Promise<void>> {
  const session = await page.context().newCDPSession(page);
  await session.send('Debugger.enable');
  await session.send('Debugger.pause');
  return async () => {
    await session.send('Debugger.resume');
    await session.detach();
    await page.evaluate(() => void document.dispatchEvent(new Event('resume', { bubbles: true })));
  };
}

/** How many messages a page has kept to send them later; -1 before it can keep any. */
export function keptIn(page: Page): Promise<number> {
  return page.evaluate(async () => {
    if ((await indexedDB.databases()).length === 0) return -1;
    return new Promise<number>((done, fail) => {
      const request = indexedDB.open('ws-chat');
      request.onerror = fail;
      request.onsuccess = () => {
        const store = request.result.transaction('outbox').objectStore('outbox');
        store.count().onsuccess = ({ target }) => {
          request.result.close();
          done((target as IDBRequest).result);
        };
      };
    });
  });
}
