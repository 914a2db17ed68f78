import { describe, expect, test } from 'bun:test';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { get as httpGet } from 'node:http';
import { dirname, join } from 'node:path';
import { visitor } from '../support/browser.ts';
import { copyOfProject, dataFolder, startReady } from '../support/process.ts';

const project = copyOfProject();
const server = await startReady({ DATA_DIR: await dataFolder(), NODE_ENV: 'production' }, project);

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(server.url + path, { headers, redirect: 'manual' });
/** Puts a file into `public/` of the running server. */
const drop = (name: string, content: string) => {
  const file = join(project, 'public', name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
};
/** The path goes out as it stands here; `fetch` would resolve its dots. */
const statusOf = (path: string) =>
  new Promise<number | undefined>((done, failed) => {
    const request = httpGet(server.url, { path }, (response) => {
      response.resume();
      done(response.statusCode);
    });
    request.on('error', failed);
  });

describe('a file that is dropped into public/', () => {
  test('is served without a restart, in its present state', async () => {
    expect((await get('/mine.html')).status).toBe(404);
    drop('mine.html', '<p>one');
    expect(await (await get('/mine.html')).text()).toBe('<p>one');
    drop('mine.html', '<p>a longer one');
    const page = await get('/mine.html');
    expect(page.headers.get('content-type')).toStartWith('text/html');
    expect(await page.text()).toBe('<p>a longer one');
    rmSync(join(project, 'public/mine.html'));
    expect((await get('/mine.html')).status).toBe(404);
    drop('sub/with space.txt', 'text');
    expect(await (await get('/sub/with%20space.txt')).text()).toBe('text');
  });

  test('is not sent again to a browser that has it, until it changes', async () => {
    for (const [path, file] of [
      ['/page.html', 'page.html'],
      ['/script.js', 'script.js'],
      ['/swagger.css', 'swagger.css'],
      ['/test', 'ws-tester.html'],
    ] as const) {
      drop(file, 'first');
      const first = await get(path);
      expect(first.headers.get('cache-control')).toBe('no-cache');
      const etag = first.headers.get('etag') ?? '';
      expect(etag).toMatch(/^"[^"]+"$/);
      for (const known of [etag, `"other", ${etag}`]) {
        const again = await get(path, { 'if-none-match': known });
        expect([path, again.status, await again.text()]).toEqual([path, 304, '']);
      }
      drop(file, 'second, and longer');
      const changed = await get(path, { 'if-none-match': etag });
      expect([path, changed.status, await changed.text()]).toEqual([
        path,
        200,
        'second, and longer',
      ]);
    }
  });

  test('runs its inline script and style, speaks to this server, and loads nothing from another', async () => {
    drop(
      'chat.html',
      `<!doctype html><style>#said { color: rgb(1, 2, 3) }</style><p id="said">nothing yet</p>
      <script>
        const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws');
        socket.onopen = () => socket.send('{"type":"join","username":"ana"}');
        socket.onmessage = async ({ data }) => {
          const rooms = await (await fetch('/rooms')).json();
          said.textContent = JSON.parse(data).content + ' ' + rooms[0].name;
        };
      </script>`,
    );
    const { page, complaints } = await visitor('/chat.html', server.url);
    await page.getByText('Welcome ana! general').waitFor();
    const color = await page.locator('#said').evaluate((said) => getComputedStyle(said).color);
    expect(color).toBe('rgb(1, 2, 3)');
    expect(complaints.filter((line) => !line.includes('favicon') && !line.includes('404'))).toEqual(
      [],
    );
    const policy = (await get('/chat.html')).headers.get('content-security-policy');
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
  });

  test('yields to our own routes, whose pages keep to the strict policy', async () => {
    drop('messages', 'not the messages');
    expect(await (await get('/messages')).json()).toBeArray();
    for (const path of ['/test', '/ws-tester.html', '/swagger', '/swagger.html', '/nowhere']) {
      const policy = (await get(path)).headers.get('content-security-policy');
      expect([path, policy?.includes('unsafe-inline')]).toEqual([path, false]);
    }
  });

  test('is not served when it is hidden, or outside of public/', async () => {
    drop('.env', 'AUTH_SECRET=x');
    drop('.git/config', '[core]');
    drop('a.txt', 'text');
    for (const path of [
      '/.env',
      '/%2eenv',
      '/%2Eenv',
      '/%252eenv',
      '/.git/config',
      '/sub/../.env',
      '/../package.json',
      '/..%2fpackage.json',
      '/%2e%2e/package.json',
      '/%2e%2e%2fpackage.json',
      '/sub/..%2f..%2fpackage.json',
      '/sub%2f..%2f..%2fpackage.json',
      '/..%5cpackage.json',
      '/%252e%252e%252fpackage.json',
      '//etc/passwd',
      '/%2fetc%2fpasswd',
      '/a.txt%00.html',
      '/%ff',
      '/%',
      '/sub',
    ]) {
      expect([path, await statusOf(path)]).toEqual([path, 404]);
    }
  });
});

test('a path with a slash behind it is another path', async () => {
  drop('a.txt', 'text');
  for (const path of ['/test', '/swagger', '/rooms', '/health', '/a.txt']) {
    expect([path, await statusOf(path)]).toEqual([path, 200]);
    expect([path, await statusOf(`${path}/`)]).toEqual([path, 404]);
  }
  expect(await statusOf('/anything/')).toBe(404);
});
