import { afterAll, test as always, expect } from 'bun:test';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Glob } from 'bun';
import { visitor } from '../support/browser.ts';
import { folderSite } from '../support/pages.ts';
import { temporaryFolder } from '../support/process.ts';
import { fresh, startServer } from '../support/server.ts';
import { testWith } from '../support/services.ts';

const root = join(import.meta.dirname, '../..');
const readme = readFileSync(join(root, 'client/README.md'), 'utf8');
const bin = (name: string) => join(root, 'node_modules/.bin', name);
const hasNode = Bun.which('node') && Bun.which('npm');
const test = testWith({ 'node and npm on the PATH': hasNode });

/** Runs a command to its end. @returns its output @throws its complaints */
async function run(cwd: string, ...command: string[]): Promise<string> {
  const child = Bun.spawn(command, { cwd, stdout: 'pipe', stderr: 'pipe' });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`${command.join(' ')}:\n${out}\n${err}`);
  return out;
}

/** The package, as it would be published. */
const packed = hasNode ? await pack() : '';

async function pack(): Promise<string> {
  const to = temporaryFolder();
  const command = ['npm', 'pack', '--silent', '--pack-destination', to];
  return join(to, (await run(join(root, 'client'), ...command)).trim());
}

/** A new project with the package in it, as `npm install` leaves it, and packages of this repository. */
async function project(compilerOptions: object, packages: string[] = []): Promise<string> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  await run(folder, 'npm', 'install', '--offline', '--no-audit', '--no-fund', packed);
  mkdirSync(join(folder, 'node_modules/@types'));
  for (const name of packages) {
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  }
  const settings = {
    compilerOptions: { strict: true, noEmit: true, types: [], ...compilerOptions },
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
  return folder;
}

const program = `
import { ChatClient, ChatError, type ChatMessage, type Room, type Status } from 'ws-chat-client';

declare const process: { argv: string[]; exit(): void };

const [, , url = '', username = '', name = ''] = process.argv;
const chat: ChatClient = new ChatClient(url, { username, backoff: { first: 100, most: 1000 } });
const room: Room = chat.room(name);
const sent: ChatMessage = await room.send({ content: 'Hello', data: { from: 'Node' } });
const status: Status = chat.status;
const problem: string = await room.edit({ ...sent, id: 2 ** 31 - 1 }, 'another').then(
  () => 'none',
  (error: ChatError) => error.code,
);
const api = await chat.api;
const { online } = await api.user(username);
console.log(JSON.stringify([sent.content, sent.seq, status.state, problem, online]));
chat.close();
process.exit();
`;

test('the package has types without `any`, which compile in a strict Node project, and runs there', async () => {
  const folder = await project({ module: 'nodenext', target: 'es2022', lib: ['es2022', 'dom'] });
  const types = [...new Glob('**/*.d.ts').scanSync(join(folder, 'node_modules/ws-chat-client'))];
  expect(types.length).toBeGreaterThan(20);
  const withAny = types.filter((name) =>
    /[:<|&,(=] *any\b|\bany\[\]/.test(
      readFileSync(join(folder, 'node_modules/ws-chat-client', name), 'utf8'),
    ),
  );
  expect(withAny).toEqual([]);

  writeFileSync(join(folder, 'program.ts'), program);
  await run(folder, bin('tsc'));
  await run(folder, bin('tsc'), '--noEmit', 'false');
  const server = await startServer();
  // Node 20 has a WebSocket, but only when it is asked for.
  const node = ['node', '--experimental-websocket'];
  const output = await run(folder, ...node, 'program.js', server.url, fresh('ana'), fresh('room'));
  expect(JSON.parse(output)).toEqual(['Hello', 1, 'live', 'not_found', true]);

  cpSync(join(root, 'examples/dice-bot.mjs'), join(folder, 'dice-bot.mjs'));
  const bot = Bun.spawn([...node, 'dice-bot.mjs'], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', CHAT_URL: server.url },
  });
  afterAll(() => bot.kill());
  const ana = await server.enter(fresh('ana'), 'general');
  await ana.until((frame) => frame.type === 'presence' && frame.username === 'dice');
  ana.send({ type: 'message', room: 'general', content: '/roll' });
  await ana.until((frame) => frame.type === 'message' && / rolls \d/.test(frame.content));
}, 60_000);

test('projects of Vite and React compile with the package, and their builds chat', async () => {
  const packages = ['react', 'react-dom', '@types/react', '@types/react-dom', 'csstype', 'vite'];
  const options = {
    module: 'esnext',
    moduleResolution: 'bundler',
    jsx: 'react-jsx',
    lib: ['esnext', 'dom'],
    allowImportingTsExtensions: true,
  };
  const folder = await project(options, packages);
  const server = await startServer();
  cpSync(join(root, 'examples/react-chat'), folder, { recursive: true });
  const main = join(folder, 'main.tsx');

  /** Builds the project around a program. @returns a page that shows it */
  async function show(code: string) {
    writeFileSync(main, code.replace('http://localhost:3000', server.url));
    await run(folder, bin('tsc'));
    await run(folder, bin('vite'), 'build', '--logLevel', 'error');
    const base = folderSite(join(folder, 'dist'));
    const { page, complaints } = await visitor('about:blank', base);
    page.on('dialog', (dialog) => void dialog.accept(fresh('ana')));
    await page.goto('/');
    const faults = () => complaints.filter((text) => !text.startsWith(server.url));
    return { page, faults };
  }

  const chat = await show(readFileSync(main, 'utf8'));
  await chat.page.waitForSelector('p:has-text("Connected")');
  await chat.page.fill('input', 'Is it me?');
  await chat.page.press('input', 'Enter');
  await chat.page.waitForSelector('li:has-text("Is it me? sent")');
  expect(chat.faults()).toEqual([]);

  const [, example = ''] = /```tsx\n(.*?)```/s.exec(readme) ?? [];
  const other = await show(example);
  // Other tests send notices to everybody.
  await other.page.waitForSelector('button:text-matches("^[0-9]+ new, live$")');
  await other.page.click('button:has-text("Say hello")');
  await chat.page.waitForSelector('li:has-text("cleo Hello")');
  await other.page.waitForSelector('p:has-text("2 here, 0 typing, 0 unread")');
  expect(other.faults()).toEqual([]);
}, 60_000);

always('the README of the package names every hook', () => {
  const code = readFileSync(join(root, 'client/react/index.ts'), 'utf8');
  const hooks = [...code.matchAll(/^export function (\w+)/gm)].map(([, name]) => name as string);
  expect(hooks.length).toBeGreaterThan(6);
  expect(hooks.filter((name) => !readme.includes(`| \`${name}`))).toEqual([]);
});
