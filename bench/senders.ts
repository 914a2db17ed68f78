/**
 * A load: connections that each keep a number of messages unacknowledged, for some seconds.
 *
 * Input: `{ url, connections, outstanding, seconds }`; output: `{ acks }`, per second.
 */
import { content } from './contents.ts';

const input: { url: string; connections: number; outstanding: number; seconds: number } =
  JSON.parse(process.argv[2] as string);

let acks = 0;
let sent = 0;
await Promise.all(
  Array.from({ length: input.connections }, async (_, c) => {
    const socket = new WebSocket(input.url);
    await new Promise((open) => socket.addEventListener('open', open));
    socket.send(JSON.stringify({ type: 'join', username: `sender${c}`, room: `bench${c}` }));
    const send = () => {
      sent += 1;
      socket.send(
        JSON.stringify({ type: 'message', content: content(), id: `${process.pid}-${c}-${sent}` }),
      );
    };
    socket.addEventListener('message', ({ data }) => {
      if (!data.startsWith('{"type":"ack"')) {
        if (data.startsWith('{"type":"error"')) throw new Error(data);
        return;
      }
      acks += 1;
      send();
    });
    for (let n = 0; n < input.outstanding; n++) send();
  }),
);

// The first second warms up both sides.
await Bun.sleep(1000);
const [from, start] = [acks, performance.now()];
await Bun.sleep(input.seconds * 1000);
console.log(JSON.stringify({ acks: (acks - from) / ((performance.now() - start) / 1000) }));
process.exit();
