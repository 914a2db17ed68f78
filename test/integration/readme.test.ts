import { expect } from 'bun:test';
import { readFileSync } from 'node:fs';
import { openDatabase } from '../../src/db/index.ts';
import type { Client } from '../support/client.ts';
import { startServer } from '../support/server.ts';
import { testWith } from '../support/services.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

interface Block {
  language: string;
  text: string;
}

/** The examples of the README, from top to bottom. */
const blocks: Block[] = [...readme.matchAll(/```(\w+)\n(.*?)```/gs)].map(
  ([, language = '', text = '']) => ({ language, text }),
);

const testWithCurl = testWith({ curl: Bun.which('curl'), bash: Bun.which('bash') });

/** A single shell for all blocks, so that the variables of a block are there for the next. */
function openShell(host: string) {
  const shell = Bun.spawn(['bash'], { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' });
  shell.stdin.write('curl() { command curl -sSf "$@"; }\nset -o pipefail\n');
  const output = shell.stdout.pipeThrough(new TextDecoderStream()).getReader();
  return {
    /** @returns the output of each command, and the status with which it ended */
    async run(text: string): Promise<string[]> {
      const commands = text.trim().replaceAll('localhost:3000', host).split('\n');
      const outputs: string[] = [];
      for (const command of commands) {
        shell.stdin.write(`${command}; echo " status $?"\n`);
        await shell.stdin.flush();
        let printed = '';
        while (!/ status \d+\n$/.test(printed)) printed += (await output.read()).value ?? '';
        outputs.push(printed);
      }
      return outputs;
    },
    async close(): Promise<string> {
      shell.stdin.write(`echo "$TOKEN"\n`);
      await shell.stdin.flush();
      const token = (await output.read()).value ?? '';
      shell.kill();
      return token.trim();
    },
  };
}

testWithCurl(
  'the README, read from top to bottom: every frame is accepted, every command succeeds',
  async () => {
    // A database of its own, in which the first message has the id 1.
    const database = await openDatabase({ dataDir: 'memory' });
    const server = await startServer({}, { database });
    const shell = openShell(new URL(server.url).host);
    let client: Client | undefined;
    let commands = 0;
    let frames = 0;

    for (const { language, text } of blocks) {
      if (language === 'sh' && text.includes('curl')) {
        for (const printed of await shell.run(text)) {
          expect(printed).toEndWith(' status 0\n');
          commands += 1;
        }
      }
      // The token of the last block is made by a reader.
      if (language !== 'json' || text.includes('eyJ…')) continue;
      for (const frame of text.trim().split('\n')) {
        if (JSON.parse(frame).type === 'join') client = await server.connect();
        client?.send(frame);
        const replies = (await client?.settle()) ?? [];
        expect(replies.filter(({ type }) => type === 'error')).toEqual([]);
        frames += 1;
      }
    }
    expect(commands).toBeGreaterThan(12);
    expect(frames).toBeGreaterThan(12);

    const [last = ''] = blocks.filter(({ text }) => text.includes('eyJ…')).map(({ text }) => text);
    const eva = await server.connect();
    eva.send(last.replace('eyJ…', await shell.close()));
    expect(await eva.untilType('system')).toMatchObject({ event: 'welcome', username: 'eva' });
    await server.stop();
    await database.close();
  },
);
