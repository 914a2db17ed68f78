import { expect, test } from 'bun:test';
import fs from 'node:fs';
import { join } from 'node:path';
import { Disk, type Sabotage } from '../support/power-cut/disk.ts';
import type { Cut, Reopening } from '../support/power-cut/reopen.ts';
import type { Account } from '../support/power-cut/workload.ts';
import { startReady, temporaryFolder } from '../support/process.ts';
import { chooseSeed, seeded } from '../support/random.ts';

const CUTS = Number(process.env.CUTS ?? 200);
const MESSAGES = 800;
/** Of a whole test; it takes a third of that on two cores. */
const PATIENCE_MS = 300_000;

const support = new URL('../support/power-cut/', import.meta.url).pathname;
const folder = temporaryFolder();
const chance = seeded(chooseSeed('power cuts'));

interface Recording {
  log: string;
  root: string;
  account: Account;
}

let recording: Promise<Recording> | undefined;

/** A server that was recorded from its first start on, at work, once for all tests. */
function record(): Promise<Recording> {
  recording ??= (async () => {
    const [log, root] = [join(folder, 'log'), join(folder, 'data')];
    fs.mkdirSync(root);
    const child = Bun.spawn([process.execPath, join(support, 'workload.ts'), `${MESSAGES}`], {
      env: {
        PATH: process.env.PATH,
        RECORD_ROOT: root,
        RECORD_TO: log,
        // Its children inherit it, a preload on the command line they would not.
        BUN_OPTIONS: `--preload ${join(support, 'recorder.ts')}`,
      },
      timeout: PATIENCE_MS / 3,
      killSignal: 'SIGKILL',
    });
    const account: Account = JSON.parse(await new Response(child.stdout).text());
    return { log, root, account };
  })();
  return recording;
}

/** Cuts in the order of the recording: anywhere, and as often at the moment of an ack. */
function someCuts({ account }: Recording, count: number): Cut[] {
  const acks = Object.values(account.messages).flatMap((states) =>
    states.flatMap(({ acked }) => acked ?? []),
  );
  const anywhere = () => account.servedFrom + chance.integer(account.end - account.servedFrom);
  return Array.from({ length: count }, (_, n) => ({
    at: n % 2 ? anywhere() : chance.pick(acks),
    seed: chance.integer(2 ** 32),
  })).toSorted((a, b) => a.at - b.at);
}

/** @returns the cuts after which something was wrong, each with its faults */
async function reopenAfter(cuts: Cut[], of: Recording, sabotage?: Sabotage): Promise<string[]> {
  const bad: string[] = [];
  const reopenAll = async (mine: Cut[]) => {
    for (let left = mine; left.length > 0; ) {
      const input: Reopening = { ...of, sabotage, cuts: left };
      const child = Bun.spawn([process.execPath, join(support, 'reopen.ts')], {
        stdin: new Blob([JSON.stringify(input)]),
        timeout: PATIENCE_MS,
        killSignal: 'SIGKILL',
      });
      const lines = (await new Response(child.stdout).text()).split('\n').filter(Boolean);
      // A database that aborts takes the process with it, once it has been reported.
      if (lines.length === 0) throw new Error('nothing was reported');
      for (const line of lines) if (JSON.parse(line).faults.length > 0) bad.push(line);
      left = left.slice(lines.length);
    }
  };
  await Promise.all([0, 1].map((half) => reopenAll(cuts.filter((_, n) => n % 2 === half))));
  return bad;
}

test(
  `of ${CUTS} power cuts none costs an acknowledged message, edit or deletion, or damages the embedded database`,
  async () => {
    const it = await record();
    expect(it.account.checkpoints.length).toBeGreaterThan(3);
    expect(await reopenAfter(someCuts(it, CUTS), it)).toEqual([]);
  },
  PATIENCE_MS,
);

test(
  'a power cut during the first start leaves a database that can be opened, or none',
  async () => {
    const it = await record();
    const cuts = Array.from({ length: 10 }, () => ({
      at: chance.integer(it.account.servedFrom),
      seed: chance.integer(2 ** 32),
    })).toSorted((a, b) => a.at - b.at);
    expect(await reopenAfter(cuts, it)).toEqual([]);
  },
  PATIENCE_MS,
);

for (const what of ['only the log is synced', 'nothing is synced'] as const) {
  test(
    `power cuts are noticed where ${what}`,
    async () => {
      const it = await record();
      const sabotage = { what, from: it.account.servedFrom };
      const bad = await reopenAfter(someCuts(it, 8), it, sabotage);
      expect(bad.length).toBeGreaterThan(4);
    },
    PATIENCE_MS,
  );
}

test(
  'a server that starts after a power cut has all that was acknowledged',
  async () => {
    const it = await record();
    const [cut] = someCuts(it, 1);
    if (!cut) throw new Error('no cut');
    const disk = new Disk(it.log, it.root);
    disk.playTo(cut.at);
    const dataDir = temporaryFolder();
    const files = disk.survives('postgres', seeded(cut.seed)) ?? [];
    for (const [path, content] of files) {
      if (content) fs.writeFileSync(join(dataDir, 'postgres', path), content);
      else fs.mkdirSync(join(dataDir, 'postgres', path), { recursive: true });
    }
    // As a cut may leave it.
    fs.writeFileSync(join(dataDir, 'postgres', 'postmaster.pid'), '');
    const server = await startReady({ DATA_DIR: dataDir });
    const kept = new Set<string>();
    for (let after = 0; ; ) {
      const page: { clientId: string; seq: number }[] = await (
        await fetch(`${server.url}/messages?room=cut&limit=100&after=${after}`)
      ).json();
      if (page.length === 0) break;
      for (const { clientId, seq } of page) {
        kept.add(clientId);
        after = seq;
      }
    }
    const acked = Object.entries(it.account.messages).flatMap(([key, [posted]]) =>
      posted?.acked && posted.acked <= cut.at ? [key] : [],
    );
    expect(acked.filter((key) => !kept.has(key))).toEqual([]);
    const posted = await fetch(`${server.url}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'ana', content: 'after', room: 'cut' }),
    });
    expect(posted.status).toBe(201);
    server.kill('SIGTERM');
    expect(await server.exited).toBe(0);
  },
  PATIENCE_MS,
);
