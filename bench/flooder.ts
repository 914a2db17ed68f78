/**
 * A load: one client at many times its rate, which reconnects at once whenever its connection is closed.
 *
 * Input: `{ url, door, perSecond, seconds }`, the `door` being `ws` or `rest`; output: how often each
 * answer came, an error code, a status or a close code.
 */
import { rawWebSocket } from './raw-websocket.ts';

const input: { url: string; door: 'ws' | 'rest'; perSecond: number; seconds: number } = JSON.parse(
  process.argv[2] as string,
);
const end = performance.now() + input.seconds * 1000;
const answers: Record<string, number> = {};
const count = (answer: string) => {
  answers[answer] = (answers[answer] ?? 0) + 1;
};
/** Calls the function at a steady rate, in steps of 10 ms. */
async function atRate(act: () => void, goOn: () => boolean): Promise<void> {
  for (let step = performance.now(); goOn(); step += 10) {
    for (let n = 0; n < input.perSecond / 100; n++) act();
    await Bun.sleep(Math.max(1, step + 10 - performance.now()));
  }
}

async function floodSocket(): Promise<void> {
  while (performance.now() < end) {
    let isOpen = true;
    const socket = await rawWebSocket(
      `${input.url.replace('http', 'ws')}/ws`,
      (buffer, from, to) => {
        const text = buffer.toString('latin1', from, to);
        count(/"code":"(\w+)"/.exec(text)?.[1] ?? /"type":"(\w+)"/.exec(text)?.[1] ?? 'close');
      },
    );
    void socket.closeCode.then((code) => {
      isOpen = false;
      count(`closed ${code}`);
    });
    socket.send(JSON.stringify({ type: 'join', username: 'flood', room: 'bench-flood' }));
    await atRate(
      () => socket.send('{"type":"message","content":"flood"}'),
      () => isOpen && performance.now() < end,
    );
    socket.close();
  }
}

async function floodRest(): Promise<void> {
  const body = JSON.stringify({ username: 'flood', content: 'flood', room: 'bench-flood' });
  const headers = { 'content-type': 'application/json' };
  let pending = 0;
  const post = async () => {
    // No more open requests than a real client has; further ones are left out while the server is slow.
    if (pending >= 256) return;
    pending += 1;
    const response = await fetch(`${input.url}/messages`, { method: 'POST', headers, body });
    await response.body?.cancel();
    count(String(response.status));
    pending -= 1;
  };
  await atRate(
    () => void post(),
    () => performance.now() < end,
  );
}

await (input.door === 'ws' ? floodSocket() : floodRest());
console.log(JSON.stringify(answers));
process.exit();
