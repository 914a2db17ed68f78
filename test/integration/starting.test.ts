import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import packageJson from '../../package.json';
import { Client } from '../support/client.ts';
import { freePort } from '../support/free-port.ts';
import { dataFolder, startProcess, startReady, temporaryFolder } from '../support/process.ts';
import { UNLIMITED } from '../support/server.ts';
import { until } from '../support/until.ts';

const root = new URL('../../', import.meta.url).pathname;

/** The output of a failed start, as the lines of JSON that a pipe gets, and the files that it leaves behind. */
async function faultsOf(settings: Record<string, string>): Promise<string[]> {
  const server = startProcess({ DATA_DIR: 'memory', LOG_LEVEL: 'silent', ...settings });
  expect(await server.exited).toBe(1);
  const { stdout, stderr } = await server.output;
  expect(stdout).toBe('');
  expect(stderr).not.toContain('secret');
  return stderr
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { level, msg, ...rest } = JSON.parse(line);
      expect({ level, rest: Object.keys(rest) }).toEqual({ level: 60, rest: ['time'] });
      return msg.replace(/^Failed to start: /, '');
    });
}

/** The output on a terminal of a run that is ended with two Ctrl+C, without the colors. */
async function onTerminal(settings: Record<string, string>) {
  let shown = '';
  let interrupted = false;
  const child = Bun.spawn([process.execPath, 'src/index.ts'], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', PORT: '0', DATA_DIR: 'memory', ...UNLIMITED, ...settings },
    terminal: {
      cols: 400,
      data: (_, bytes) => {
        shown += new TextDecoder().decode(bytes);
        if (interrupted || !shown.includes(' ready ')) return;
        interrupted = true;
        child.kill('SIGINT');
        child.kill('SIGINT');
      },
    },
  });
  afterAll(() => child.kill('SIGKILL'));
  const exitCode = await child.exited;
  return { exitCode, lines: Bun.stripANSI(shown).trimEnd().split('\r\n') };
}

/** A path with a script in place of Bun, which would install packages. */
function fakeBun(script: string): string {
  const bin = temporaryFolder();
  writeFileSync(join(bin, 'bun'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return `${bin}:/usr/bin:/bin`;
}

describe('a failed start prints one line for each fault, with the name of the setting', () => {
  test('for wrong settings, all at once', async () => {
    const faults = await faultsOf({
      PORT: 'eighty',
      PRESENCE_GRACE: '-1',
      COMPRESSION: 'yes',
      LOG_LEVEL: 'loud',
      DATABASE_URL: 'mysql://ana:secret@localhost/chat',
      AUTH_ISSUER: 'someone',
    });
    expect(faults).toEqual([
      'PORT must be a port, 0 to 65535, not "eighty"',
      'DATABASE_URL must be a URL such as postgres://user:password@host:5432/database',
      'PRESENCE_GRACE must be seconds, 0 to 3600, not "-1"',
      'COMPRESSION must be "off" or "on", not "yes"',
      expect.stringMatching(/^LOG_LEVEL must be "info" or .*, not "loud"$/),
      expect.stringMatching(/^AUTH_JWKS_URL and AUTH_AUDIENCE must be set too/),
    ]);
  });

  test('for several servers without a database that they share', async () => {
    expect(await faultsOf({ REDIS_URL: 'redis://127.0.0.1:6379' })).toEqual([
      expect.stringMatching(/^REDIS_URL needs DATABASE_URL/),
    ]);
  });

  test('for a port in use, before anything is created', async () => {
    const taken = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('') });
    const DATA_DIR = join(temporaryFolder(), 'data');
    expect(await faultsOf({ DATA_DIR, PORT: `${taken.port}` })).toEqual([
      `PORT: ${taken.port} on 127.0.0.1 is in use by another program; stop that one, or set PORT to a free port`,
    ]);
    expect(existsSync(DATA_DIR)).toBe(false);
    await taken.stop(true);
  });

  test('for an address that is not this machine’s', async () => {
    for (const HOST of ['203.0.113.1', 'nowhere.invalid']) {
      expect(await faultsOf({ HOST })).toEqual([
        expect.stringContaining(`HOST: ${HOST} is not an address of this machine`),
      ]);
    }
  });

  test('for a data folder that cannot be created', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    for (const DATA_DIR of [file, join(file, 'data'), '/proc/none']) {
      expect(await faultsOf({ DATA_DIR })).toEqual([
        expect.stringContaining(`DATA_DIR: cannot use the folder ${DATA_DIR}: `),
      ]);
    }
  });

  test('for a database that cannot be reached', async () => {
    expect(await faultsOf({ DATABASE_URL: 'postgres://ana:secret@127.0.0.1:1/chat' })).toEqual([
      expect.stringMatching(/^DATABASE_URL: cannot use the database chat at 127\.0\.0\.1:1: /),
    ]);
  });

  test('in plain words on a terminal', async () => {
    const { exitCode, lines } = await onTerminal({ PORT: 'x', AUTH: 'y', LOG_LEVEL: 'silent' });
    expect({ exitCode, lines }).toEqual({
      exitCode: 1,
      lines: [
        expect.stringMatching(/^\S+ FATAL Failed to start: PORT must be .*, not "x"$/),
        expect.stringMatching(/^\S+ FATAL Failed to start: AUTH must be .*, not "y"$/),
      ],
    });
  });
});

describe('a start', () => {
  test('logs its readiness and its address in one line, at every LOG_LEVEL', async () => {
    const saidAt = async (LOG_LEVEL: string) => {
      const port = await freePort();
      const server = await startReady({ DATA_DIR: 'memory', PORT: `${port}`, LOG_LEVEL });
      expect(server.url).toBe(`http://localhost:${port}`);
      server.kill('SIGTERM');
      expect(await server.exited).toBe(0);
      const { stdout, stderr } = await server.output;
      const said = stdout.trimEnd().split('\n');
      const messages = said.map((line) => JSON.parse(line).msg);
      const ready = expect.stringContaining(`ready on http://localhost:${port} `);
      const all = [expect.stringContaining('creating the embedded database'), ready, 'stopping'];
      expect({ LOG_LEVEL, messages, stderr }).toEqual({
        LOG_LEVEL,
        messages: LOG_LEVEL === 'info' ? all : [ready],
        stderr: '',
      });
    };
    await Promise.all([saidAt('info'), saidAt('silent')]);
  }, 60_000);

  test('is logged in readable lines on a terminal, and ends with 0 after Ctrl+C, even pressed twice', async () => {
    const { exitCode, lines } = await onTerminal({});
    expect({ exitCode, lines }).toEqual({
      exitCode: 0,
      lines: [
        expect.stringMatching(/^\d\d:\d\d:\d\d INFO {2}creating the embedded database/),
        expect.stringMatching(/^\d\d:\d\d:\d\d INFO {2}ws-chat is ready on http:\S+ after \S+ s$/),
        expect.stringMatching(/^\d\d:\d\d:\d\d INFO {2}stopping$/),
      ],
    });
  });

  test('that is ended before it is ready ends with 0, and the next one has a complete database', async () => {
    const DATA_DIR = join(temporaryFolder(), 'data');
    const server = startProcess({ DATA_DIR });
    const isCreated = () => existsSync(join(DATA_DIR, 'postgres'));
    await until('the database is created', isCreated, 30_000);
    server.kill('SIGTERM');
    expect(await server.exited).toBe(0);
    const again = await startReady({ DATA_DIR });
    again.kill('SIGTERM');
    expect(await again.exited).toBe(0);
  });

  test('by `bun start` is in production mode', () => {
    const PATH = fakeBun('echo "$NODE_ENV: $*"');
    const { stdout } = Bun.spawnSync(['sh', '-c', packageJson.scripts.start], {
      cwd: root,
      env: { PATH },
    });
    expect(`${stdout}`.split('\n')).toContain('production: src/index.ts');
  });

  test('by `bun start` that fails prints what the server says, and nothing of Bun’s', () => {
    const PATH = fakeBun('[ "$1" = install ] || { echo a fault >&2; exit 1; }');
    const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, 'start'], {
      cwd: root,
      env: { PATH },
    });
    expect([exitCode, `${stdout}`, `${stderr}`]).toEqual([1, '', 'a fault\n']);
  });
});

test('a handshake is logged as 101, or with the status of its refusal', async () => {
  const server = await startReady({ DATA_DIR: await dataFolder(), LOG_LEVEL: 'debug' });
  const client = await Client.connect(server.ws);
  client.socket.close();
  await fetch(`${server.url}/ws?token=bad`);
  server.kill('SIGTERM');
  await server.exited;
  const { stdout } = await server.output;
  const statuses = stdout
    .split('\n')
    .flatMap((line) => (line.includes('"/ws"') ? JSON.parse(line).status : []));
  expect(statuses).toEqual([101, 401]);
});

test('a fault of the program ends it with one line that has the stack, and no values', async () => {
  const faulty = join(temporaryFolder(), 'faulty.ts');
  writeFileSync(
    faulty,
    `process.on('SIGUSR2', () => {
      throw new Error('insert into messages, params: ' + 'what ana wrote', { cause: new Error('lost') });
    });`,
  );
  const child = Bun.spawn([process.execPath, '--preload', faulty, 'src/index.ts'], {
    cwd: root,
    env: {
      PATH: process.env.PATH ?? '',
      PORT: '0',
      DATA_DIR: await dataFolder(),
      LOG_LEVEL: 'silent',
    },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  for await (const line of child.stdout.pipeThrough(new TextDecoderStream() as never)) {
    if (`${line}`.includes(' ready ')) child.kill('SIGUSR2');
  }
  const said = await new Response(child.stderr).text();
  expect(await child.exited).toBe(1);
  expect(said).not.toContain('what ana wrote');
  expect(JSON.parse(said)).toMatchObject({
    level: 60,
    msg: 'Internal error: lost',
    stack: expect.stringContaining('faulty.ts'),
  });
});
