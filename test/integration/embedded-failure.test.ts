import { afterAll, describe, expect, test } from 'bun:test';
import fs from 'node:fs';
import { join } from 'node:path';
import { Client } from '../support/client.ts';
import type { Fault } from '../support/failing-disk.ts';
import { dataFolder, type ServerProcess, startProcess } from '../support/process.ts';
import { until } from '../support/until.ts';

const support = new URL('../support/', import.meta.url).pathname;

// The first of a run takes longer than a test may on a busy machine.
await dataFolder();

/** The settings of a server with an empty database of its own, and the switch that makes its disk fail. */
async function failing() {
  const name = await dataFolder();
  const fault = `${name}.fault`;
  return {
    settings: {
      DATA_DIR: name,
      FAULT: fault,
      BUN_OPTIONS: `--preload ${join(support, 'failing-disk.ts')}`,
    },
    fail: (what: Fault) => fs.writeFileSync(fault, what),
    mend: () => fs.rmSync(fault),
    forget: () => fs.rmSync(`${fault}.met`, { force: true }),
    met: () => until('the fault is met', () => fs.existsSync(`${fault}.met`), 30_000),
  };
}

async function ready(server: ServerProcess): Promise<string> {
  const url = await server.ready;
  if (!url) throw new Error(JSON.stringify(await server.output));
  return url;
}

/** A client that posts until it has this many acks. */
async function posting(url: string, acks: number): Promise<Client> {
  const client = await Client.connect(`${url.replace('http', 'ws')}/ws`);
  client.send({ type: 'join', username: 'ana' });
  for (let n = 0; n < acks; n++) {
    client.send({ type: 'message', content: `m${n}`, id: `m${n}` });
    await client.untilType('ack');
  }
  return client;
}

/** The one line that a server said last, of its fault. */
async function lastLine(server: ServerProcess): Promise<string> {
  const { stderr } = await server.output;
  return stderr.trimEnd().split('\n').at(-1) ?? '';
}

describe('an embedded database that fails', () => {
  const reasons: [Fault, RegExp][] = [
    ['io error', /could not fsync file .*: I\/O error/],
    ['exit', /ended with code 9/],
    ['throw', /out of luck/],
  ];
  for (const [fault, reason] of reasons) {
    test(`ends the server with one line and a code, so that it can be started again: ${fault}`, async () => {
      const { settings, fail, mend } = await failing();
      const server = startProcess(settings);
      const client = await posting(await ready(server), 3);
      fail(fault);
      client.send({ type: 'message', content: 'unlucky', id: 'unlucky' });
      expect(await server.exited).toBeGreaterThan(0);
      expect(await lastLine(server)).toMatch(reason);
      expect(await lastLine(server)).toContain(settings.DATA_DIR as string);

      mend();
      const again = startProcess(settings);
      const url = await ready(again);
      const messages: { content: string }[] = await (await fetch(`${url}/messages`)).json();
      expect(messages.slice(0, 3).map(({ content }) => content)).toEqual(['m0', 'm1', 'm2']);
      again.kill('SIGTERM');
      expect(await again.exited).toBe(0);
    });

    test(`while it is opened, ends the start: ${fault}`, async () => {
      const { settings, fail } = await failing();
      fail(fault);
      const server = startProcess(settings);
      expect(await server.exited).toBeGreaterThan(0);
      expect((await server.output).stderr).toMatch(/^[^\n]+\n$/);
    });
  }

  test('that hangs does not keep the server from stopping', async () => {
    const { settings, fail, met } = await failing();
    const server = startProcess(settings);
    const client = await posting(await ready(server), 1);
    fail('hang');
    client.send({ type: 'message', content: 'unlucky', id: 'unlucky' });
    await met();
    const start = performance.now();
    server.kill('SIGTERM');
    expect(await server.exited).toBeGreaterThan(0);
    expect(performance.now() - start).toBeLessThan(5500);
  });

  test('that hangs while it is opened fails the start after a while, and a signal ends the start', async () => {
    const { settings, fail, met, forget } = await failing();
    fail('hang');

    const script = [join(support, 'open-embedded.ts'), settings.DATA_DIR as string, '500'];
    const child = Bun.spawn([process.execPath, ...script], {
      env: { PATH: process.env.PATH, ...settings },
      stdout: 'pipe',
    });
    afterAll(() => child.kill('SIGKILL'));
    expect(await new Response(child.stdout).text()).toContain('no answer within 0.5 s');
    expect(await child.exited).toBe(0);

    forget();
    const server = startProcess(settings);
    await met();
    server.kill('SIGTERM');
    await server.exited;
  });

  test('that finds no room for its log ends the server', async () => {
    const { settings } = await failing();
    // In blocks of 1024 bytes; a full disk gives the same error to Postgres, at the same place.
    const limited = ['bash', '-c', `trap '' XFSZ; ulimit -f 12288; exec "$0" "$@"`];
    const server = startProcess(settings, undefined, limited);
    const client = await Client.connect(`${(await ready(server)).replace('http', 'ws')}/ws`);
    client.send({ type: 'join', username: 'ana' });
    // A window of them at a time: a client that sends more than the server takes is sent away.
    const fill = async () => {
      for (let n = 0; n < 20_000; n++) {
        const content = crypto.getRandomValues(new Uint8Array(1500)).toHex();
        client.send({ type: 'message', content, id: `${n}` });
        if (n % 20 === 19)
          await client.until((frame) => frame.type === 'ack' && frame.id === `${n}`);
        client.forget();
      }
    };
    await Promise.race([fill(), client.closed]);
    expect(await server.exited).toBeGreaterThan(0);
    expect(await lastLine(server)).toMatch(/could not write .*: File too large/);
  });
});
