import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '../../src/config.ts';
import { freePort } from '../support/free-port.ts';
import { blocksOf, walk } from '../support/guide.ts';
import { nginx } from '../support/nginx.ts';
import { startServer } from '../support/server.ts';
import { testWith } from '../support/services.ts';

const server = await startServer();

test('the exchanges of docs/coming-from.md, docs/postman.md and docs/protocol.md are those of the server', async () => {
  for (const [file, count] of [
    ['protocol.md', 1],
    ['coming-from.md', 3],
    ['postman.md', 1],
  ] as const) {
    const exchanges = (await blocksOf(file, '')).filter((block) => block.includes('→'));
    expect(exchanges).toHaveLength(count);
    for (const exchange of exchanges) await walk(server, exchange);
  }
});

test('the requests of docs/postman.md are answered, and its files exist', async () => {
  for (const block of await blocksOf('postman.md', 'http')) {
    const [, method = '', path = ''] = /^(\w+) (\S+)/.exec(block) ?? [];
    const body = block.split('\n\n')[1];
    const reply = await server.fetch(path, {
      method,
      ...(body && { body, headers: { 'content-type': 'application/json' } }),
    });
    expect(reply.ok).toBe(true);
    if (method === 'GET')
      expect(await reply.json()).toMatchObject([{ content: 'hi from Postman' }]);
  }
  const { paths } = await (await server.fetch('/swagger/json')).json();
  const summaries = Object.values<Record<string, { summary: string }>>(paths).flatMap((methods) =>
    Object.values(methods).map(({ summary }) => summary),
  );
  expect(summaries).toEqual(expect.arrayContaining(['Create a user', 'Post a message', 'Sign in']));
});

describe('TLS in front, as docs/tls.md has it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ws-chat-tls-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  testWith({ nginx, openssl: Bun.which('openssl') })(
    'nginx forwards a wss handshake and REST, and the server knows of TLS',
    async () => {
      const { trustProxy = [] } = readSettings({ TRUST_PROXY: '127.0.0.1' });
      const behind = await startServer({ trustProxy });
      const port = await freePort();
      const [key, certificate] = [join(folder, 'chat.key'), join(folder, 'chat.pem')];
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
      const made = Bun.spawnSync([
        'openssl',
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '1',
        '-keyout',
        key,
        '-out',
        certificate,
        ...subject,
      ]);
      expect(made.exitCode).toBe(0);
      const [block = ''] = await blocksOf('tls.md', 'nginx');
      const config = block
        .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
        .replace('chat.example.com', 'localhost')
        .replace('/etc/ssl/chat.pem', certificate)
        .replace('/etc/ssl/chat.key', key)
        .replace('http://127.0.0.1:3000', behind.url.replace('localhost', '127.0.0.1'));
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${folder}/${name};`,
      );
      const file = join(folder, 'nginx.conf');
      writeFileSync(file, `events {}\nhttp {\naccess_log off;\n${paths.join('\n')}\n${config}}\n`);
      const globals = `daemon off; pid ${folder}/pid; error_log ${folder}/log;`;
      const child = Bun.spawn([
        nginx ?? '',
        '-c',
        file,
        '-p',
        folder,
        '-e',
        `${folder}/log`,
        '-g',
        globals,
      ]);
      try {
        const tls = { rejectUnauthorized: false };
        const url = `https://localhost:${port}`;
        while (!(await fetch(`${url}/health`, { tls }).catch(() => undefined))) {
          if (child.exitCode !== null) throw new Error(await Bun.file(`${folder}/log`).text());
          await Bun.sleep(20);
        }
        const info = await (await fetch(`${url}/ws-info`, { tls })).json();
        expect(info.websocketUrl).toBe(`wss://localhost:${port}/ws`);
        const socket = new WebSocket(info.websocketUrl, { tls } as never);
        const welcome = new Promise((done) => {
          socket.onmessage = ({ data }) => done(JSON.parse(data));
        });
        socket.onopen = () => socket.send(JSON.stringify({ type: 'join', username: 'ana' }));
        expect(await welcome).toMatchObject({ type: 'system', event: 'welcome' });
        socket.close();
      } finally {
        child.kill();
        await child.exited;
      }
    },
  );
});

test('the .env of docs/neon.md is complete, and connects to Neon', async () => {
  const text = await Bun.file(new URL('../../docs/neon.md', import.meta.url)).text();
  const [, url = ''] = /^\s*DATABASE_URL=(\S+)$/m.exec(text) ?? [];
  const { databaseUrl, authSecret } = readSettings({ DATABASE_URL: url });
  expect(databaseUrl).toBe(url);
  expect(new URL(url).hostname).toEndWith('.neon.tech');
  expect(authSecret).toBeUndefined();
});

describe('docs/troubleshooting.md', async () => {
  const text = await Bun.file(new URL('../../docs/troubleshooting.md', import.meta.url)).text();

  test('quotes the refusals of a handshake', async () => {
    const told = [...text.matchAll(/^\| (\d{3}) +\| `(\w+)`/gm)].map(
      ([, status, code]) => `${status} ${code}`,
    );
    const strict = await startServer({
      allowedOrigins: ['https://ours.example'],
      maxConnectionsPerIp: 1,
    });
    const handshake = {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': btoa('0123456789abcdef'),
    };
    const plain = await strict.fetch('/ws');
    const open = await strict.connect();
    const replies = [
      plain,
      await strict.fetch('/ws?token=bad', { headers: handshake }),
      await strict.fetch('/ws', { headers: { ...handshake, origin: 'https://theirs.example' } }),
      await strict.fetch('/ws', { headers: handshake }),
    ];
    await open.close();
    const met = await Promise.all(
      replies.map(async (reply) => `${reply.status} ${(await reply.json()).code}`),
    );
    expect(met).toEqual(told);
  });

  test('quotes the lines of a failed start', async () => {
    const busy = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() });
    const port = `${busy.port}`;
    const start = async (env: Record<string, string>) => {
      const command = [process.execPath, new URL('../../src/index.ts', import.meta.url).pathname];
      const child = Bun.spawn(command, {
        env: { PATH: process.env.PATH ?? '', ...env },
        stdout: 'pipe',
        stderr: 'pipe',
      });
      const said = `${await new Response(child.stdout).text()}${await new Response(child.stderr).text()}`;
      expect(await child.exited).not.toBe(0);
      return said;
    };
    const told = [...text.matchAll(/^\| `(([A-Z_]+)\b[^`]*)` +\|/gm)];
    expect(told.map(([, , name]) => name)).toEqual([
      'PORT',
      'PORT',
      'HOST',
      'DATA_DIR',
      'REDIS_URL',
    ]);
    const met = [
      await start({ PORT: port, DATA_DIR: 'memory' }),
      undefined,
      await start({ HOST: '203.0.113.1', DATA_DIR: 'memory' }),
      await start({ PORT: `${await freePort()}`, DATA_DIR: '/proc/nowhere' }),
      await start({ REDIS_URL: 'redis://127.0.0.1:1' }),
    ];
    busy.stop(true);
    for (const [n, [, line = '']] of told.entries()) {
      // The right to listen on port 80 differs from machine to machine.
      if (met[n] === undefined) continue;
      const pieces = line
        .replace('3000', port)
        .split('…')
        .map((piece) => piece.trim());
      for (const piece of pieces) expect(met[n]).toContain(piece);
    }
  });
});
