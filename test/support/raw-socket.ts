import { connect, type Socket } from 'bun';

/** A WebSocket client below the level of WebSockets: it answers no ping and may stop reading. */
export interface RawSocket {
  socket: Socket;
  /** The server's answer to the handshake. */
  handshake: Promise<string>;
  /** Resolves when the connection has ended: with the code of the close frame, if one came. */
  closeCode: Promise<number | undefined>;
  send(frame: object): void;
}

/**
 * @param headers more lines for the handshake
 * @param options `isReading` false: nothing from the server is read
 */
export async function rawSocket(
  url: string,
  headers: string[] = [],
  { path = '/ws', isReading = true } = {},
): Promise<RawSocket> {
  const { hostname, port } = new URL(url);
  const handshake = Promise.withResolvers<string>();
  const closeCode = Promise.withResolvers<number | undefined>();
  let tail = Buffer.alloc(0);
  const socket = await connect({
    hostname,
    port: Number(port),
    socket: {
      data: (_, bytes) => {
        handshake.resolve(bytes.toString());
        tail = Buffer.concat([tail, bytes]).subarray(-125);
      },
      close: () => closeCode.resolve(codeAtEnd(tail)),
    },
  });
  if (!isReading) socket.pause();
  socket.write(
    [
      `GET ${path} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      ...(path === '/ws' ? UPGRADE : []),
      ...headers,
      '\r\n',
    ].join('\r\n'),
  );
  return {
    socket,
    handshake: handshake.promise,
    closeCode: closeCode.promise,
    send: (frame) => void socket.write(textFrame(JSON.stringify(frame))),
  };
}

const UPGRADE = [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
];

/** A masked text frame of up to 125 bytes: RFC 6455, section 5.2; the mask is zero. */
function textFrame(text: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  return new Uint8Array([0x81, 0x80 | payload.length, 0, 0, 0, 0, ...payload]);
}

/** A close frame is the last: 0x88, the length of the rest, a code and a reason in ASCII. */
function codeAtEnd(tail: Buffer): number | undefined {
  for (let at = tail.length - 4; at >= 0; at--) {
    if (tail[at] === 0x88 && tail[at + 1] === tail.length - at - 2)
      return tail.readUInt16BE(at + 2);
  }
}
