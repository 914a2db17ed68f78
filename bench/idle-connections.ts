/**
 * A load: connections that join a room and send nothing more.
 *
 * Input: `{ url, pid, connections, together }`, with `together` connections in each room; output: `{ each }`, the
 * KiB of memory by which the server grew for each connection. With `isHeld` the connections stay open until the
 * input of this process ends.
 */
import { dialects } from './dialects/index.ts';
import { rawWebSocket } from './raw-websocket.ts';
import { memoryOf } from './support.ts';

const input: {
  url: string;
  pid: number;
  connections: number;
  together: number;
  isHeld?: boolean;
} = JSON.parse(process.argv[2] as string);

let joined = 0;
const count = () => {
  joined += 1;
};
const open = async (n: number) => {
  const room = `room-${Math.floor(n / input.together)}`;
  const send = (text: string) => socket.send(text);
  const conversation = dialects.json.connect({ name: `idle${n}`, room, send, joined: count });
  const socket = await rawWebSocket(input.url, conversation.receive);
  conversation.join();
};

/** Opens `count` more connections, some at a time. */
async function openMore(count: number): Promise<void> {
  for (const end = opened + count; opened < end; ) {
    const group = Array.from({ length: Math.min(AT_ONCE, end - opened) }, (_, k) =>
      open(opened + k),
    );
    opened += group.length;
    await Promise.all(group);
    while (joined < opened) await Bun.sleep(1);
  }
}

const AT_ONCE = 50;
/** Connections before the measurement, whose one-time costs are not counted. */
const WARM_UP = input.isHeld ? 0 : 500;
let opened = 0;
await openMore(WARM_UP);
const before = memoryOf(input.pid);
await openMore(input.connections);
await Bun.sleep(1000);
const each = ((memoryOf(input.pid) - before) * 1024) / input.connections;
console.log(JSON.stringify({ each }));
if (input.isHeld) await Bun.stdin.text();
process.exit();
