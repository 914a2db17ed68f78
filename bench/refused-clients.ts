/**
 * A load: clients that are refused.
 *
 * Input: `{ url, door, perSecond, atMost, seconds }`, the `door` being `sessions`, with a wrong password for the
 * account `victim`, or `ws`, with a token whose signature is wrong; no more than `atMost` wait for an answer at a
 * time. Output: how often each status came.
 */
const input: {
  url: string;
  door: 'sessions' | 'ws';
  perSecond: number;
  atMost: number;
  seconds: number;
} = JSON.parse(process.argv[2] as string);

const part = (json: object) => Buffer.from(JSON.stringify(json)).toString('base64url');
const token = `${part({ alg: 'HS256' })}.${part({ sub: 'victim' })}.${'A'.repeat(43)}`;

async function trySessions(n: number): Promise<string> {
  const response = await fetch(`${input.url}/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'victim', password: `wrong password ${n}` }),
  });
  await response.body?.cancel();
  return String(response.status);
}

/** A real handshake on a new connection; the status of its answer. */
async function tryHandshake(): Promise<string> {
  const { hostname, port } = new URL(input.url);
  const answer = Promise.withResolvers<string>();
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data: (_, bytes) => answer.resolve(bytes.toString('latin1', 9, 12)),
      close: () => answer.resolve('closed'),
    },
  });
  socket.write(
    [
      `GET /ws?token=${token} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
      '\r\n',
    ].join('\r\n'),
  );
  const status = await answer.promise;
  socket.terminate();
  return status;
}

const attempt = input.door === 'ws' ? tryHandshake : trySessions;
const statuses: Record<string, number> = {};
let waiting = 0;
let begun = 0;
const request = async () => {
  waiting += 1;
  const status = await attempt(begun).catch(() => 'failed');
  statuses[status] = (statuses[status] ?? 0) + 1;
  waiting -= 1;
};
const start = performance.now();
for (let passed = 0; passed < input.seconds; passed = (performance.now() - start) / 1000) {
  for (; begun < passed * input.perSecond; begun++) if (waiting < input.atMost) void request();
  await Bun.sleep(1);
}
console.log(JSON.stringify(statuses));
process.exit();
