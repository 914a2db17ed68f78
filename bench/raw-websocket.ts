import { connect } from 'bun';

/** The first byte of a close frame. */
const CLOSE = 0x88;
/** The first byte of a ping, and the answer to it. */
const PING = 0x89;
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/** A WebSocket client that costs almost nothing, so that a load measures the server. */
export interface RawWebSocket {
  /** Sends frames, all of them in one write. */
  send(...texts: string[]): void;
  /** Ends the connection without a close frame. */
  close(): void;
  /** Stops reading, until `resume`. */
  pause(): void;
  resume(): void;
  /** Resolves when the connection has ended: with the code of the close frame, if one came. */
  closeCode: Promise<number | undefined>;
}

/**
 * Connects without TLS or compression. Frames are passed on as positions in the buffer, not
 * decoded: RFC 6455, section 5.2.
 *
 * @param onFrame called with the buffer and where the payload begins and ends
 * @param subprotocol for servers that ask for one
 */
export async function rawWebSocket(
  url: string,
  onFrame: (buffer: Buffer, from: number, to: number, socket: RawWebSocket) => void,
  subprotocol?: string,
): Promise<RawWebSocket> {
  const { hostname, port, pathname, search } = new URL(url);
  const closed = Promise.withResolvers<number | undefined>();
  const upgraded = Promise.withResolvers<void>();
  let isUpgraded = false;
  let rest: Buffer = Buffer.alloc(0);
  /** Bytes that the kernel has not accepted yet. */
  let unsent: Buffer = Buffer.alloc(0);
  const write = (bytes: Buffer) => {
    unsent = unsent.length > 0 ? Buffer.concat([unsent, bytes]) : bytes;
    unsent = unsent.subarray(Math.max(0, tcp.write(unsent)));
  };
  const tcp = await connect({
    hostname,
    port: Number(port),
    socket: {
      data(_, chunk) {
        let buffer = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
        if (!isUpgraded) {
          const end = buffer.indexOf('\r\n\r\n');
          if (end === -1) {
            rest = buffer;
            return;
          }
          isUpgraded = true;
          upgraded.resolve();
          buffer = buffer.subarray(end + 4);
        }
        let at = 0;
        while (at + 2 <= buffer.length) {
          let length = (buffer[at + 1] as number) & 127;
          let from = at + 2;
          if (length === 126) {
            if (at + 4 > buffer.length) break;
            length = buffer.readUInt16BE(at + 2);
            from = at + 4;
          } else if (length === 127) {
            if (at + 10 > buffer.length) break;
            length = Number(buffer.readBigUInt64BE(at + 2));
            from = at + 10;
          }
          if (from + length > buffer.length) break;
          if (buffer[at] === CLOSE) closed.resolve(buffer.readUInt16BE(from));
          if (buffer[at] === PING) write(PONG);
          else onFrame(buffer, from, from + length, client);
          at = from + length;
        }
        rest = buffer.subarray(at);
      },
      drain() {
        if (unsent.length > 0) write(Buffer.alloc(0));
      },
      close: () => closed.resolve(undefined),
    },
  });
  const client: RawWebSocket = {
    close: () => void tcp.terminate(),
    pause: () => void tcp.pause(),
    resume: () => void tcp.resume(),
    closeCode: closed.promise,
    send: (...texts) => write(Buffer.concat(texts.flatMap(frameOf))),
  };
  tcp.write(
    [
      `GET ${pathname}${search} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
      ...(subprotocol ? [`Sec-WebSocket-Protocol: ${subprotocol}`] : []),
      '\r\n',
    ].join('\r\n'),
  );
  await upgraded.promise;
  return client;
}

/** The header and the payload of a text frame. The mask is zero, which is valid and costs nothing. */
function frameOf(text: string): [Buffer, Buffer] {
  const payload = Buffer.from(text);
  const { length } = payload;
  const size = length < 126 ? [0x80 | length] : [0xfe, length >> 8, length & 255];
  return [Buffer.from([0x81, ...size, 0, 0, 0, 0]), payload];
}
